/* SPDX-License-Identifier: Apache-2.0 */
/* Images that we make ourselves: of a root file system, and of what a container wrote. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>

#include <archive.h>
#include <jansson.h>

#include "engine/docker/json.h"
#include "engine/store/image.h"
#include "engine/store/place.h"
#include "engine/store/sha256.h"
#include "engine/store/store.h"
#include "engine/store/tree.h"
#include "engine/store/untar.h"

/* The image's id is the digest of what makes it up, as in the OCI image-spec. */
static int add_image(struct store *store, const char *name, const json_t *config,
                     struct layers *layers, char **id, struct error *err)
{
    char digest[DIGEST_SIZE];
    _cleanup_json_ json_t *diff_ids = json_array();
    for (size_t i = 0; i < layers->len; i++)
        json_array_append_new(diff_ids, json_string(layers->items[i].diff_id));
    _cleanup_json_ json_t *whole = json_pack("{sO s{ss sO}}", "config", config, "rootfs", "type",
                                             "layers", "diff_ids", diff_ids);
    _cleanup_free_ char *text = json_dumps(whole, JSON_COMPACT | JSON_SORT_KEYS);
    sha256_of(text, strlen(text), digest);
    if (image_write(store, digest, config, layers, err) < 0 ||
        store_tag(store, name, digest, err) < 0)
        return -1;
    *id = xstrdup(digest);
    return 0;
}

/* --- of a root file system ------------------------------------------------------------------- */

struct tar {
    const struct store *store;
    const void *bytes;
    size_t len;
};

static void cleanup_archivep(struct archive **a)
{
    archive_read_free(*a);
}

static int fill_from_tar(void *data, int dir, uint64_t *size, struct error *err)
{
    const struct tar *tar = data;
    _cleanup_(cleanup_archivep) struct archive *a = archive_read_new();
    if (!a || archive_read_support_format_tar(a) != ARCHIVE_OK ||
        archive_read_open_memory(a, tar->bytes, tar->len) != ARCHIVE_OK)
        return error_set(err, ERROR_ENGINE, "the root file system is no tar archive");
    _cleanup_(untar_deinit) struct untar u;
    untar_init(&u, dir, tar->store->user_namespace);
    u.durable = true; /* it is our own helper, small, and there for good */
    if (untar_all(&u, a, err) < 0)
        return -1;
    *size = u.bytes;
    return 0;
}

static json_t *strings(const char *const *items)
{
    json_t *list = json_array();
    for (; *items; items++)
        json_array_append_new(list, json_string(*items));
    return list;
}

int store_add_rootfs(struct store *store, const char *name, const char *const *entrypoint,
                     const void *tar, size_t len, char **id, struct error *err)
{
    char diff_id[DIGEST_SIZE];
    struct tar source = {.store = store, .bytes = tar, .len = len};
    sha256_of(tar, len, diff_id);
    _cleanup_json_ json_t *config = json_object();
    if (entrypoint)
        json_object_set_new(config, "Entrypoint", strings(entrypoint));
    _cleanup_(layers_deinit) struct layers layers = {0};
    if (layer_get(store, &layers, diff_id, fill_from_tar, &source, err) < 0 ||
        add_image(store, name, config, &layers, id, err) < 0)
        return error_wrap(err, "could not make image '%s'", name);
    return 0;
}

/* --- of what a container wrote ---------------------------------------------------------------- */

static int fill_from_upper(void *data, int dir, uint64_t *size, struct error *err)
{
    const char *upper = data;
    struct tree_copy copy = {0};
    _cleanup_close_ int from = open(upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (from < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open '%s'", upper);
    if (tree_copy(&copy, from, dir, err) < 0)
        return -1;
    *size = copy.bytes;
    return 0;
}

/* What there is of an image besides what store_find() tells: all of its configuration. */
static json_t *parent_config(const struct store_image *parent)
{
    (void)lseek(parent->lock, 0, SEEK_SET);
    _cleanup_json_ json_t *json = json_read(parent->lock);
    json_t *config = json_at(json, "config");
    return config ? json_deep_copy(config) : json_object();
}

static int hold_parent(struct store *store, const struct store_image *parent, struct layers *layers,
                       struct error *err)
{
    (void)lseek(parent->lock, 0, SEEK_SET);
    _cleanup_json_ json_t *json = json_read(parent->lock);
    const json_t *list = json_at(json, "layers");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *layer = json_array_get(list, i);
        if (!layer_hold(store, layers, json_string_at(layer, "id", "")))
            return error_set(err, ERROR_ENGINE, "a layer of image '%s' is gone", parent->info.id);
    }
    return 0;
}

/* It is named by chance: its content has no one form to take a digest of. */
static void new_diff_id(char out[DIGEST_SIZE])
{
    uint8_t chance[32] = {0};
    (void)!getrandom(chance, sizeof(chance), 0);
    sha256_of(chance, sizeof(chance), out);
}

static int add_upper(struct store *store, const char *name, const struct store_image *parent,
                     const char *upper, const char *label, char **id, struct error *err)
{
    char diff_id[DIGEST_SIZE];
    _cleanup_(layers_deinit) struct layers layers = {0};
    if (hold_parent(store, parent, &layers, err) < 0)
        return -1;
    new_diff_id(diff_id);
    if (layer_get(store, &layers, diff_id, fill_from_upper, (void *)upper, err) < 0)
        return -1;

    _cleanup_json_ json_t *config = parent_config(parent);
    _cleanup_json_ json_t *labels = json_incref(json_object_get(config, "Labels"));
    if (!json_is_object(labels)) {
        json_decref(labels);
        labels = json_object();
    }
    json_object_del(labels, LABEL_SNAPSHOT);
    if (label)
        json_object_set_new(labels, LABEL_SNAPSHOT, json_string(label));
    json_object_set(config, "Labels", labels);
    return add_image(store, name, config, &layers, id, err);
}

int store_add_upper(struct store *store, const char *name, const char *parent, const char *upper,
                    const char *label, char **id, struct error *err)
{
    struct store_image image;
    int r = store_find(store, parent, &image, err);
    if (r == 0)
        r = error_set(err, ERROR_ENGINE, "image '%s' is not in the store", parent);
    if (r > 0) {
        r = add_upper(store, name, &image, upper, label, id, err);
        store_image_release(&image);
    }
    return r < 0 ? error_wrap(err, "could not make image '%s'", name) : 0;
}

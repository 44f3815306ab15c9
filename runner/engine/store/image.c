/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/image.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "engine/docker/json.h"
#include "engine/store/lock.h"
#include "engine/store/place.h"
#include "engine/store/tree.h"

#define SUFFIX  ".json"
#define HEX_LEN ((size_t)64)

bool image_file(const char *id, char out[IMAGE_FILE_SIZE])
{
    const char *hex = digest_hex(id);
    if (hex)
        (void)snprintf(out, IMAGE_FILE_SIZE, "%s" SUFFIX, hex);
    return hex != NULL;
}

/* --- writing --------------------------------------------------------------------------------- */

static json_t *encode(const char *id, const json_t *config, const struct layers *layers)
{
    json_t *list = json_array();
    for (size_t i = 0; i < layers->len; i++)
        json_array_append_new(list, json_pack("{ss sI}", "id", layers->items[i].diff_id, "size",
                                              (json_int_t)layers->items[i].size));
    return json_pack("{ss so* so}", "id", id, "config", config ? json_deep_copy(config) : NULL,
                     "layers", list);
}

static uint64_t known_size(const struct image_records *images, const char *diff_id)
{
    for (size_t i = 0; i < images->len; i++)
        for (size_t j = 0; j < images->items[i].diff_ids.len; j++)
            if (strcmp(images->items[i].diff_ids.items[j], diff_id) == 0)
                return images->items[i].sizes.items[j];
    return LAYER_SIZE_UNKNOWN;
}

/* Of layers that were there: another image knows, else they are measured. */
static int find_sizes(struct store *store, struct layers *layers, struct error *err)
{
    bool read = false;
    _cleanup_(image_records_deinit) struct image_records images = {0};
    for (size_t i = 0; i < layers->len; i++) {
        struct layer *layer = &layers->items[i];
        if (layer->size != LAYER_SIZE_UNKNOWN)
            continue;
        if (!read && image_records_read(store, &images, err) < 0)
            return -1;
        read = true;
        layer->size = known_size(&images, layer->diff_id);
        if (layer->size == LAYER_SIZE_UNKNOWN)
            layer->size = tree_size(layer->hold);
    }
    return 0;
}

/* 1: there, and marked as used. */
static int already_there(struct store *store, const char *id, struct error *err)
{
    struct store_image image;
    int r = image_open(store, id, &image, err);
    if (r > 0) {
        image_touch(&image);
        store_image_release(&image);
    }
    return r;
}

/* A file that cannot be read is worth nothing to anybody. */
static void discard(struct store *store, const char *file)
{
    _cleanup_close_ int fd = lock_open(store->images, file, O_RDONLY, LOCK_EX);
    if (fd >= 0)
        (void)unlinkat(store->images, file, 0);
}

int image_write(struct store *store, const char *id, const json_t *config, struct layers *layers,
                struct error *err)
{
    char file[IMAGE_FILE_SIZE];
    if (!image_file(id, file))
        return error_set(err, ERROR_ENGINE, "'%.80s' is no image's id", id);
    if (find_sizes(store, layers, err) < 0)
        return -1;
    _cleanup_json_ json_t *json = encode(id, config, layers);
    _cleanup_free_ char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (!text)
        return error_set(err, ERROR_ENGINE, "the image's configuration makes no sense");
    /* Never replaced, because others may have it locked. */
    for (;;) {
        int r = already_there(store, id, err);
        if (r != 0)
            return r < 0 ? -1 : 0;
        r = place_file(store, store->images, file, text, strlen(text), false, err);
        if (r <= 0)
            return r;
        if (already_there(store, id, NULL) == 0)
            discard(store, file);
    }
}

/* --- reading --------------------------------------------------------------------------------- */

static const struct json_field info_fields[] = {
    {"id", JSON_KIND_STRING, offsetof(struct store_image, info.id), true},
    {"config/User", JSON_KIND_STRING, offsetof(struct store_image, info.user), false},
    {"config/Entrypoint", JSON_KIND_STRINGS, offsetof(struct store_image, info.entrypoint), false},
    {"config/Cmd", JSON_KIND_STRINGS, offsetof(struct store_image, info.cmd), false},
    {"config/Env", JSON_KIND_STRINGS, offsetof(struct store_image, info.env), false},
    {"config/Volumes", JSON_KIND_KEYS, offsetof(struct store_image, info.volumes), false},
    {"config/WorkingDir", JSON_KIND_STRING, offsetof(struct store_image, working_dir), false},
};

/* "SIGTERM", "TERM", "15". */
static int signal_number(const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (end != text)
        return *end == '\0' && n > 0 && n < NSIG ? (int)n : 0;
    if (strncmp(text, "SIG", 3) == 0)
        text += 3;
    for (int i = 1; i < NSIG; i++) {
        const char *name = sigabbrev_np(i);
        if (name && strcmp(name, text) == 0)
            return i;
    }
    if (strncmp(text, "RTMIN+", 6) == 0)
        return signal_number(text + 6) + SIGRTMIN;
    return 0;
}

/* False when a layer of it is not there. */
static bool find_layers(struct store *store, const json_t *json, struct strvec *layers)
{
    const json_t *list = json_at(json, "layers");
    for (size_t i = json_array_size(list); i-- > 0;) {
        char name[LAYER_NAME_SIZE];
        const char *id = json_string_at(json_array_get(list, i), "id", "");
        if (layer_name(id, name) < 0 || faccessat(store->layers, name, F_OK, 0) < 0)
            return false;
        strvec_pushf(layers, "layers/%s", name);
    }
    return layers->len > 0;
}

/* 1, or 0 when it is not whole. */
static int decode(struct store *store, int fd, struct store_image *out)
{
    _cleanup_json_ json_t *json = json_read(fd);
    if (!json || json_decode(json, info_fields, ARRAY_SIZE(info_fields), out, NULL) < 0)
        return 0;
    if (!find_layers(store, json, &out->layers))
        return 0;
    if (!out->info.user)
        out->info.user = xstrdup("");
    if (!out->working_dir)
        out->working_dir = xstrdup("");
    out->stop_signal = signal_number(json_string_at(json, "config/StopSignal", ""));
    return 1;
}

int image_open(struct store *store, const char *id, struct store_image *out, struct error *err)
{
    char file[IMAGE_FILE_SIZE];
    *out = (struct store_image){.lock = -1};
    if (!image_file(id, file))
        return 0;
    out->lock = lock_open(store->images, file, O_RDONLY, LOCK_SH);
    if (out->lock < 0 && errno != ENOENT)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open '%s/images/%s'",
                               store->path, file);
    int r = out->lock < 0 ? 0 : decode(store, out->lock, out);
    if (r <= 0)
        store_image_release(out);
    return r;
}

void image_touch(const struct store_image *image)
{
    (void)futimens(image->lock, NULL);
}

void store_image_release(struct store_image *image)
{
    image_info_deinit(&image->info);
    free(image->working_dir);
    strvec_deinit(&image->layers);
    if (image->lock >= 0)
        close(image->lock);
    *image = (struct store_image){.lock = -1};
}

/* --- all of them ----------------------------------------------------------------------------- */

static void record_deinit(struct image_record *record)
{
    free(record->id);
    free(record->snapshot);
    strvec_deinit(&record->diff_ids);
    vec_deinit(&record->sizes);
}

void image_records_deinit(struct image_records *records)
{
    for (size_t i = 0; i < records->len; i++)
        record_deinit(&records->items[i]);
    vec_deinit(records);
}

static void read_record(struct store *store, const char *file, struct image_records *out)
{
    struct stat st;
    _cleanup_close_ int fd = openat(store->images, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    _cleanup_json_ json_t *json = fd < 0 || fstat(fd, &st) < 0 ? NULL : json_read(fd);
    if (!json)
        return;
    struct image_record *record = vec_push(out);
    /* By its name: what cannot be read can still be removed. */
    record->id = xasprintf("sha256:%.*s", (int)HEX_LEN, file);
    record->used = st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec;
    const json_t *labels = json_at(json, "config/Labels");
    record->snapshot = xstrdup(json_string_value(json_object_get(labels, LABEL_SNAPSHOT)));
    const json_t *list = json_at(json, "layers");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *layer = json_array_get(list, i);
        strvec_push(&record->diff_ids, json_string_at(layer, "id", ""));
        *vec_push(&record->sizes) = (uint64_t)json_integer_value(json_at(layer, "size"));
    }
}

int image_records_read(struct store *store, struct image_records *out, struct error *err)
{
    _cleanup_strvec_ struct strvec names = STRVEC_INIT;
    if (tree_names(store->images, &names) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot read '%s/images'", store->path);
    for (size_t i = 0; i < names.len; i++)
        if (strlen(names.items[i]) == HEX_LEN + sizeof(SUFFIX) - 1)
            read_record(store, names.items[i], out);
    return 0;
}

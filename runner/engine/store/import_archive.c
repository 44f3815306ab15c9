/* SPDX-License-Identifier: Apache-2.0 */
/* Images of an archive or a layout: only the layers that the store does not have are unpacked. */
#include <string.h>

#include "engine/docker/json.h"
#include "engine/docker/reference.h"
#include "engine/embedded/userns.h"
#include "engine/store/blob.h"
#include "engine/store/image.h"
#include "engine/store/import.h"
#include "engine/store/manifest.h"
#include "engine/store/place.h"
#include "engine/store/sha256.h"

/* One image on its way. */
struct unpacking {
    struct import *import;
    struct layout *layout;
    const struct part *part; /* the layer being unpacked, */
    const char *diff_id;     /* as the configuration says */
    uint64_t done, total;    /* bytes of the layers as they travel */
};

static void on_bytes(void *data, uint64_t done)
{
    const struct unpacking *u = data;
    import_progress(u->import, u->done + done, u->total);
}

static int fill(void *data, int dir, uint64_t *size, struct error *err)
{
    struct unpacking *u = data;
    struct stream stream _cleanup_(stream_deinit) = {.fd = -1};
    struct untar untar _cleanup_(untar_deinit);
    untar_init(&untar, dir, u->import->store->user_namespace);
    int r = layout_file(u->layout, u->part->file, &stream, err);
    if (r == 0)
        return error_set(err, ERROR_ENGINE, "its layer '%.200s' is missing", u->part->file);
    const struct blob blob = {
        .digest = u->part->digest, .diff_id = u->diff_id, .progress = on_bytes, .data = u};
    if (r < 0 || blob_unpack(&blob, &stream, &untar, err) < 0 ||
        layer_make_durable(u->import->store, dir, err) < 0)
        return -1;
    *size = untar.bytes;
    return 0;
}

static uint64_t size_of(struct layout *layout, const struct part *part)
{
    struct stream stream _cleanup_(stream_deinit);
    (void)layout_file(layout, part->file, &stream, NULL);
    return stream.size;
}

static int take_layers(struct unpacking *u, const struct manifest *manifest,
                       const struct strvec *diff_ids, struct layers *layers, struct error *err)
{
    for (size_t i = 0; i < manifest->layers.len; i++)
        u->total += size_of(u->layout, &manifest->layers.items[i]);
    for (size_t i = 0; i < manifest->layers.len; i++) {
        u->part = &manifest->layers.items[i];
        u->diff_id = diff_ids->items[i];
        import_progress(u->import, u->done, u->total);
        if (layer_get(u->import->store, layers, u->diff_id, fill, u, err) < 0)
            return -1;
        u->done += size_of(u->layout, u->part);
    }
    return 0;
}

static const struct json_field layers_field[] = {
    {"rootfs/diff_ids", JSON_KIND_STRINGS, 0, true},
};

/* The configuration's digest is the image's id. */
static json_t *read_config(struct layout *layout, const struct part *part, char id[DIGEST_SIZE],
                           struct error *err)
{
    struct strbuf text _cleanup_strbuf_ = STRBUF_INIT;
    int r = layout_text(layout, part->file, &text, err);
    if (r == 0)
        error_set(err, ERROR_ENGINE, "its configuration '%.200s' is missing", part->file);
    if (r <= 0)
        return NULL;
    sha256_of(text.buf, text.len, id);
    if (!part->digest || strcmp(part->digest, id) == 0)
        return json_parse(text.buf, text.len, err);
    error_set(err, ERROR_ENGINE, "its configuration is not what its name says");
    return NULL;
}

/* What an archive says of itself: a digest in it would be a claim about content. */
static bool is_plain(const char *name)
{
    struct reference ref;
    bool plain = reference_parse(&ref, name, NULL) == 0 && !ref.is_id && !strchr(name, '@');
    reference_deinit(&ref);
    return plain;
}

static int name_image(struct import *import, const struct manifest *manifest, const char *id,
                      struct error *err)
{
    const struct strvec *names = &manifest->names;
    size_t before = import->images.len;
    for (size_t i = 0; !import->ref && i < names->len; i++) {
        if (!is_plain(names->items[i]))
            continue;
        if (store_tag(import->store, names->items[i], id, err) < 0)
            return -1;
        *vec_push(&import->images) = (struct import_image){.id = xstrdup(id),
                                                           .name = xstrdup(names->items[i])};
    }
    if (import->ref && store_tag(import->store, import->ref, id, err) < 0)
        return -1;
    if (import->ref || import->images.len == before)
        *vec_push(&import->images) = (struct import_image){.id = xstrdup(id),
                                                           .name = xstrdup(import->ref)};
    replace_str(&import->id, id);
    return 0;
}

static int take_image(struct import *import, struct layout *layout, const struct manifest *manifest,
                      struct error *err)
{
    char id[DIGEST_SIZE];
    _cleanup_strvec_ struct strvec diff_ids = STRVEC_INIT;
    _cleanup_(layers_deinit) struct layers layers = {0};
    struct unpacking u = {.import = import, .layout = layout};
    _cleanup_json_ json_t *config = read_config(layout, &manifest->config, id, err);
    if (!config || json_decode(config, layers_field, ARRAY_SIZE(layers_field), &diff_ids, err) < 0)
        return -1;
    if (diff_ids.len != manifest->layers.len || diff_ids.len == 0)
        return error_set(err, ERROR_ENGINE, "it has %zu layers and speaks of %zu",
                         manifest->layers.len, diff_ids.len);
    if (take_layers(&u, manifest, &diff_ids, &layers, err) < 0 ||
        image_write(import->store, id, json_at(config, "config"), &layers, err) < 0)
        return -1;
    return name_image(import, manifest, id, err);
}

int import_archive(struct import *import, int fd, struct error *err)
{
    struct layout *layout = layout_open(import->store, fd, err);
    struct manifests manifests _cleanup_(manifests_deinit) = {0};
    /* Daemons and credentials were for the user; owners are for root, if only of his own ids. */
    int r = layout && userns_enter(err) == 0 ? manifests_read(layout, &manifests, err) : -1;
    if (r == 0 && import->ref && manifests.len > 1)
        r = error_set(err, ERROR_ENGINE, "it holds %zu images where one was expected",
                      manifests.len);
    for (size_t i = 0; r == 0 && i < manifests.len; i++)
        r = take_image(import, layout, &manifests.items[i], err);
    layout_free(layout);
    return r;
}

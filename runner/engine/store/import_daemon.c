/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images of a Docker or Podman on this machine.
 *
 * With the overlay drivers each layer lies unpacked in a directory of the daemon's. Root links its
 * files (or copies them, on another file system), and no byte goes through the daemon. A layer that
 * the daemon removes meanwhile would be taken incompletely: so it is asked again after each, and
 * what it still has then was whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/docker/http.h"
#include "engine/docker/json.h"
#include "engine/store/image.h"
#include "engine/store/import.h"
#include "engine/store/place.h"
#include "engine/store/tree.h"

#define TIMEOUT_MS 30000

struct source {
    struct http http;
    json_t *image; /* as the daemon tells it */
    struct strvec diff_ids;
    struct strvec directories; /* parallel, or empty when they cannot be had */
};

static void source_deinit(struct source *source)
{
    http_deinit(&source->http);
    json_decref(source->image);
    strvec_deinit(&source->diff_ids);
    strvec_deinit(&source->directories);
}

static void source_init(struct source *source, const char *socket)
{
    *source = (struct source){0};
    source->http.prefix = xstrdup("");
    source->http.endpoint = (struct endpoint){.where = xasprintf("unix://%s", socket),
                                              .unix_path = xstrdup(socket),
                                              .base = xstrdup("http://localhost")};
}

static json_t *inspect(struct source *source, const char *id, struct error *err)
{
    struct strbuf body _cleanup_strbuf_ = STRBUF_INIT;
    _cleanup_free_ char *path = xasprintf("/images/%s/json", id);
    int status = http_get_now(&source->http, path, TIMEOUT_MS, NULL, NULL, &body, err);
    if (status < 0)
        return NULL;
    if (status != 200) {
        _cleanup_free_ char *why = json_error_message(body.buf, body.len);
        error_set(err, ERROR_ENGINE, "%s", why);
        return NULL;
    }
    return json_parse(body.buf, body.len, err);
}

static const struct json_field layers_field[] = {
    {"RootFS/Layers", JSON_KIND_STRINGS, 0, true},
};

/* Topmost first: the upper directory, then the lower ones. */
static void find_directories(struct source *source)
{
    const char *driver = json_string_at(source->image, "GraphDriver/Name", "");
    const char *upper = json_string_at(source->image, "GraphDriver/Data/UpperDir", NULL);
    const char *lower = json_string_at(source->image, "GraphDriver/Data/LowerDir", "");
    if (strncmp(driver, "overlay", 7) != 0 || !upper)
        return;
    _cleanup_strvec_ struct strvec topmost = STRVEC_INIT;
    strvec_push(&topmost, upper);
    strvec_split(&topmost, lower, ":");
    if (topmost.len != source->diff_ids.len)
        return;
    for (size_t i = topmost.len; i-- > 0;)
        strvec_push(&source->directories, topmost.items[i]);
}

/* Readable, and with owners as the image has them: a daemon that maps users shifts them. */
static bool can_take(const struct source *source)
{
    for (size_t i = 0; i < source->directories.len; i++) {
        struct stat st;
        if (stat(source->directories.items[i], &st) < 0 || !S_ISDIR(st.st_mode) ||
            (i == 0 && st.st_uid != 0))
            return false;
    }
    return source->directories.len > 0;
}

struct task {
    struct source *source;
    const char *id;
    const char *directory;
};

static int fill(void *data, int dir, uint64_t *size, struct error *err)
{
    const struct task *task = data;
    struct tree_copy copy = {.link = true};
    _cleanup_close_ int from = open(task->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (from < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open '%s'", task->directory);
    if (tree_copy(&copy, from, dir, err) < 0)
        return -1;
    *size = copy.bytes;
    _cleanup_json_ json_t *still = inspect(task->source, task->id, err);
    return still ? 0 : -1;
}

static int take_layers(struct import *import, struct source *source, const char *id,
                       struct error *err)
{
    _cleanup_(layers_deinit) struct layers layers = {0};
    struct task task = {.source = source, .id = id};
    for (size_t i = 0; i < source->diff_ids.len; i++) {
        import_progress(import, i, source->diff_ids.len);
        task.directory = source->directories.items[i];
        if (layer_get(import->store, &layers, source->diff_ids.items[i], fill, &task, err) < 0)
            return -1;
    }
    return image_write(import->store, id, json_at(source->image, "Config"), &layers, err);
}

int import_daemon(struct import *import, const char *socket, const char *id, struct error *err)
{
    _cleanup_(source_deinit) struct source source;
    source_init(&source, socket);
    source.image = inspect(&source, id, err);
    if (!source.image || json_decode(source.image, layers_field, ARRAY_SIZE(layers_field),
                                     &source.diff_ids, err) < 0)
        return -1;
    if (!import->store->user_namespace)
        find_directories(&source);
    if (!can_take(&source))
        return error_set(err, ERROR_ENGINE, "the layers of image '%s' are out of reach", id);
    if (take_layers(import, &source, id, err) < 0)
        return -1;
    import->id = xstrdup(id);
    return import->ref ? store_tag(import->store, import->ref, id, err) : 0;
}

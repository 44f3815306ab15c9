/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images of a Docker or Podman on this machine.
 *
 * With the overlay drivers each layer lies unpacked in a directory of the daemon's. Root links its
 * files (or copies them, on another file system), and no byte goes through the daemon. A layer that
 * the daemon removes meanwhile would be taken incompletely: so it is asked again after each, and
 * what it still has then was whole.
 */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/docker/http.h"
#include "engine/docker/json.h"
#include "engine/store/image.h"
#include "engine/store/import.h"
#include "engine/store/place.h"
#include "engine/store/reach.h"
#include "engine/store/refs.h"
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
    const struct store *store;
    struct source *source;
    const char *id;
    const char *directory;
};

static int fill(void *data, int dir, uint64_t *size, struct error *err)
{
    const struct task *task = data;
    struct tree_copy copy = {0};
    _cleanup_close_ int from = open(task->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (from < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open '%s'", task->directory);
    _cleanup_close_ int near_from = -1, near_to = -1;
    copy.link = reach_both(from, dir, &near_from, &near_to) == 0;
    int r = copy.link ? tree_copy(&copy, near_from, near_to, err)
                      : tree_copy(&copy, from, dir, err);
    if (r < 0)
        return -1;
    /* Links are of files that were the daemon's before. */
    if (copy.copied > 0 && layer_make_durable(task->store, dir, err) < 0)
        return -1;
    *size = copy.bytes;
    _cleanup_json_ json_t *still = inspect(task->source, task->id, err);
    return still ? 0 : -1;
}

static int take_layers(struct import *import, struct source *source, const char *id,
                       struct error *err)
{
    _cleanup_(layers_deinit) struct layers layers = {0};
    struct task task = {.store = import->store, .source = source, .id = id};
    uint64_t done = 0, total = (uint64_t)json_integer_value(json_at(source->image, "Size"));
    for (size_t i = 0; i < source->diff_ids.len; i++) {
        import_progress(import, done < total ? done : total, total);
        task.directory = source->directories.items[i];
        if (layer_get(import->store, &layers, source->diff_ids.items[i], fill, &task, err) < 0)
            return -1;
        uint64_t size = layers.items[i].size;
        done += size == LAYER_SIZE_UNKNOWN ? 0 : size;
    }
    return image_write(import->store, id, json_at(source->image, "Config"), &layers, err);
}

/* --- by what the daemon exports ----------------------------------------------------------------
 */

struct download {
    struct import *import;
    int fd; /* a nameless file */
    uint64_t done, total;
    bool full; /* of the disk */
};

static size_t on_bytes(char *bytes, size_t size, size_t count, void *data)
{
    struct download *d = data;
    size_t len = size * count;
    for (size_t done = 0; done < len;) {
        ssize_t n = write(d->fd, bytes + done, len - done);
        if (n < 0) {
            d->full = true;
            return 0;
        }
        done += (size_t)n;
    }
    d->done += len;
    import_progress(d->import, d->done < d->total ? d->done : d->total, d->total);
    return len;
}

static int download(struct download *d, const struct source *source, const char *id,
                    struct error *err)
{
    const struct endpoint *endpoint = &source->http.endpoint;
    _cleanup_free_ char *url = xasprintf("%s/images/%s/get", endpoint->base, id);
    char why[CURL_ERROR_SIZE] = "";
    CURL *easy = curl_easy_init();
    if (!easy)
        return error_set(err, ERROR_INTERNAL, "could not set up a transfer");
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, endpoint->unix_path);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, d);
    CURLcode code = curl_easy_perform(easy);
    curl_easy_cleanup(easy);
    if (d->full)
        return error_set_errno(err, ERROR_INTERNAL, ENOSPC, "cannot write it down");
    if (code != CURLE_OK)
        return error_set(err, ERROR_ENGINE, "the engine at %s did not give it: %s", endpoint->where,
                         *why ? why : curl_easy_strerror(code));
    return 0;
}

/* A daemon whose ids are those of manifests knows the image by another id than we do. */
static int take_export(struct import *import, const struct source *source, const char *id,
                       struct error *err)
{
    struct download d = {.import = import,
                         .total = (uint64_t)json_integer_value(json_at(source->image, "Size"))};
    d.fd = place_nameless(import->store, err);
    if (d.fd < 0)
        return -1;
    if (download(&d, source, id, err) < 0) {
        close(d.fd);
        return -1;
    }
    if (import_archive(import, d.fd, err) < 0)
        return -1;
    return strcmp(import->id, id) == 0 ? 0 : ref_write(import->store, id, import->id, NULL, err);
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
        return take_export(import, &source, id, err);
    if (take_layers(import, &source, id, err) < 0)
        return -1;
    replace_str(&import->id, id);
    return import->ref ? store_tag(import->store, import->ref, id, err) : 0;
}

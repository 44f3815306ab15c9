/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is asked in which order:
 *     missing  the local daemons, the store, the registry
 *     never    the local daemons, the store
 *     kept     the store
 *     always   the registry, and nobody else; but an id, which no registry knows, as with `missing`
 * as `docker run --pull` does it, where daemon and store are one.
 */
#include "engine/store/resolve.h"

#include <string.h>
#include <sys/stat.h>

#include <cleanroom/log.h>

#include "engine/docker/api.h"
#include "engine/docker/http.h"
#include "engine/docker/ops.h"
#include "engine/docker/reference.h"
#include "engine/store/ask.h"
#include "engine/store/worker.h"

#define ASK_TIME (2 * NSEC_PER_SEC)

struct resolve {
    struct store *store;
    struct loop *loop;
    char *text;
    struct reference ref;
    enum pull_policy policy;
    engine_progress_fn progress;
    resolve_done_fn done;
    void *data;
    struct error error; /* of the beginning, to be told from the loop */
    struct loop_timer timer;
    struct endpoints daemons;
    size_t asked;            /* how many of them */
    struct image_info known; /* to the one that knows it */
    struct ask *ask;
    struct worker *worker;
};

static void resolve_free(struct resolve *r)
{
    loop_timer_disarm(r->loop, &r->timer);
    ask_cancel(r->ask);
    worker_cancel(r->worker);
    endpoints_deinit(&r->daemons);
    reference_deinit(&r->ref);
    error_clear(&r->error);
    image_info_deinit(&r->known);
    free(r->text);
    free(r);
}

void resolve_cancel(struct resolve *r)
{
    if (r)
        resolve_free(r);
}

static void succeed(struct resolve *r, struct store_image *image)
{
    log_trace("image '%s' is %s", r->text, image->info.id);
    if (!image->info.digest)
        image->info.digest = TAKE_PTR(r->known.digest);
    r->done(r->data, image, NULL);
    resolve_free(r);
}

static void fail(struct resolve *r, struct error *err)
{
    r->done(r->data, NULL, err);
    error_clear(err);
    resolve_free(r);
}

/* --- bringing it ----------------------------------------------------------------------------- */

static void on_progress(void *data, uint64_t done, uint64_t total)
{
    struct resolve *r = data;
    if (r->progress)
        r->progress(r->data, r->text, done, total);
}

/* By its name, which knows the digest; unless that means something newer by now. */
static int find_brought(struct resolve *r, const char *id, struct store_image *image,
                        struct error *err)
{
    int found = store_find(r->store, r->text, image, err);
    if (found > 0 && strcmp(image->info.id, id) == 0)
        return found;
    if (found > 0)
        store_image_release(image);
    return found < 0 ? -1 : store_find(r->store, id, image, err);
}

static void on_brought(void *data, const char *id, const struct error *why)
{
    struct resolve *r = data;
    struct store_image image;
    struct error err _cleanup_error_ = ERROR_INIT;
    r->worker = NULL;
    if (why)
        error_copy(&err, why);
    int found = id ? find_brought(r, id, &image, &err) : -1;
    if (found > 0) {
        succeed(r, &image);
        return;
    }
    if (found == 0)
        error_set(&err, ERROR_ENGINE, "it is gone again from the store");
    error_wrap(&err, "could not get image '%s'", r->text);
    fail(r, &err);
}

static void bring(struct resolve *r, const struct strvec *words)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    r->worker = worker_begin(r->store, r->loop, words, on_progress, on_brought, r, &err);
    if (!r->worker)
        fail(r, &err);
}

static void bring_from_registry(struct resolve *r)
{
    _cleanup_strvec_ struct strvec words = STRVEC_INIT;
    strvec_push(&words, "registry");
    strvec_push(&words, r->text);
    bring(r, &words);
}

/* --- where it may be ------------------------------------------------------------------------- */

static void not_here(struct resolve *r)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    if (r->ref.is_id)
        error_set(&err, ERROR_ENGINE,
                  "image '%s' is not there, and an id cannot be pulled: "
                  "name the image by NAME:TAG or NAME@sha256:DIGEST",
                  r->text);
    else
        error_set(&err, ERROR_ENGINE,
                  "image '%s' is not there and --pull never forbids to fetch it", r->text);
    fail(r, &err);
}

static void look_in_store(struct resolve *r)
{
    struct store_image image;
    struct error err _cleanup_error_ = ERROR_INIT;
    int found = store_find(r->store, r->text, &image, &err);
    if (found > 0)
        succeed(r, &image);
    else if (found < 0)
        fail(r, &err);
    else if (r->policy == PULL_NEVER || r->policy == PULL_KEPT || r->ref.is_id)
        not_here(r);
    else
        bring_from_registry(r);
}

static void bring_from_daemon(struct resolve *r, const char *id)
{
    _cleanup_strvec_ struct strvec words = STRVEC_INIT;
    strvec_push(&words, "daemon");
    strvec_push(&words, r->text);
    strvec_push(&words, r->daemons.items[r->asked - 1].unix_path);
    strvec_push(&words, id);
    bring(r, &words);
}

/* What the daemon has by that name, the store may have by that id. */
static void on_known(struct resolve *r, const char *id)
{
    struct store_image image;
    struct error err _cleanup_error_ = ERROR_INIT;
    int found = store_find(r->store, id, &image, &err);
    if (found == 0) {
        bring_from_daemon(r, id);
    } else if (found < 0) {
        fail(r, &err);
    } else if (!r->ref.is_id && store_tag(r->store, r->text, image.info.id, &err) < 0) {
        store_image_release(&image);
        fail(r, &err);
    } else {
        succeed(r, &image);
    }
}

static void ask_next(struct resolve *r);

static void on_answer(void *data, int status, const char *body, size_t len)
{
    struct resolve *r = data;
    struct error err _cleanup_error_ = ERROR_INIT;
    const struct http_answer answer = {.status = status, .body = body, .body_len = len};
    r->ask = NULL;
    image_info_deinit(&r->known);
    if (status == 200 && docker_image_info(&r->known, &answer, r->ref.name, &err) == 0)
        on_known(r, r->known.id);
    else
        ask_next(r);
}

static bool is_socket(const char *path)
{
    struct stat st;
    return path && stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static void ask_next(struct resolve *r)
{
    while (r->asked < r->daemons.len && !is_socket(r->daemons.items[r->asked].unix_path))
        r->asked++;
    if (r->asked == r->daemons.len) {
        look_in_store(r);
        return;
    }
    struct http_request request = api_image_inspect(r->ref.lookup);
    r->ask = ask_begin(r->loop, r->daemons.items[r->asked++].unix_path, request.path,
                       clock_now() + ASK_TIME, on_answer, r);
    http_request_deinit(&request);
}

static void on_begin(void *data)
{
    struct resolve *r = data;
    struct error err _cleanup_error_ = ERROR_INIT;
    if (error_is_set(&r->error)) {
        error_move(&err, &r->error);
        fail(r, &err);
    } else if (r->policy == PULL_ALWAYS && !r->ref.is_id) {
        bring_from_registry(r);
    } else if (r->policy == PULL_KEPT) {
        look_in_store(r);
    } else {
        ask_next(r);
    }
}

struct resolve *resolve_begin(struct store *store, struct loop *loop, const char *ref,
                              enum pull_policy policy, engine_progress_fn progress,
                              resolve_done_fn done, void *data)
{
    struct resolve *r = xcalloc(1, sizeof(*r));
    *r = (struct resolve){.store = store,
                          .loop = loop,
                          .text = xstrdup(ref),
                          .policy = policy,
                          .progress = progress,
                          .done = done,
                          .data = data};
    const struct endpoint_env env = endpoint_env_get();
    if (reference_parse(&r->ref, ref, &r->error) == 0)
        /* A docker configuration that makes no sense is no reason not to look elsewhere. */
        (void)endpoint_find(&(struct engine_options){0}, &env, &r->daemons, NULL);
    loop_timer_arm(loop, &r->timer, 1, on_begin, r);
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images: the store's, held and locked from their first use to the engine's end.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "base/file.h"
#include "engine/embedded/done.h"
#include "engine/store/resolve.h"
#include "engine/store/sha256.h"

struct held_image *image_held(struct embedded *e, const char *id)
{
    for (size_t i = 0; i < e->images.len; i++)
        if (strcmp(e->images.items[i]->image.info.id, id) == 0)
            return e->images.items[i];
    struct store_image found = {.lock = -1};
    return store_find(e->store, id, &found, NULL) > 0 ? image_hold(e, &found) : NULL;
}

struct held_image *image_hold(struct embedded *e, struct store_image *image)
{
    for (size_t i = 0; i < e->images.len; i++) {
        if (strcmp(e->images.items[i]->image.info.id, image->info.id) != 0)
            continue;
        store_image_release(image);
        return e->images.items[i];
    }
    struct held_image *held = xcalloc(1, sizeof(*held));
    held->image = *image;
    *vec_push(&e->images) = held;
    return held;
}

void image_release(struct embedded *e, const char *id)
{
    for (size_t i = 0; i < e->images.len; i++) {
        struct held_image *held = e->images.items[i];
        if (strcmp(held->image.info.id, id) != 0)
            continue;
        e->images.items[i] = e->images.items[--e->images.len];
        store_image_release(&held->image);
        free(held);
        return;
    }
}

/* --- resolve --------------------------------------------------------------------------------- */

/* Settles an op with an image that is in the store. */
static void settle_with(struct image_op *op, const char *id, const struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;
    struct held_image *held = id ? image_held(op->op.engine, id) : NULL;
    if (held) {
        op->info = &held->image.info;
        task_settle(&op->op, ENGINE_OK, NULL);
        return;
    }
    if (err && error_is_set(err))
        error_copy(&why, err);
    else
        error_set(&why, ERROR_ENGINE, "embedded: the image disappeared from the store");
    task_settle(&op->op, ENGINE_FAILED, &why);
}

static void on_progress(void *data, const char *ref, uint64_t done, uint64_t total)
{
    struct image_op *op = data;
    if (op->progress && !op->op.cancelled)
        op->progress(op->op.data, ref, done, total);
}

static void on_resolved(void *data, struct store_image *image, const struct error *err)
{
    struct image_op *op = data;
    op->resolve = NULL;
    if (!image) {
        task_finish(&op->op, ENGINE_FAILED, err);
        return;
    }
    op->info = &image_hold(op->op.engine, image)->image.info;
    task_finish(&op->op, ENGINE_OK, NULL);
}

struct engine_op *embedded_image_resolve(struct engine *engine, const char *ref,
                                         enum pull_policy policy, nsec_t deadline,
                                         engine_progress_fn progress, engine_image_fn done,
                                         void *data)
{
    struct embedded *e = (struct embedded *)engine;
    struct image_op *op = image_new(engine, deadline, done, data);
    op->progress = progress;
    for (size_t i = 0; i < e->run_images.len; i++) {
        if (strcmp(e->run_images.items[i].name, ref) != 0)
            continue;
        settle_with(op, e->run_images.items[i].id, NULL);
        return &op->op;
    }
    op->resolve = resolve_begin(e->store, engine->loop, ref, policy, on_progress, on_resolved, op);
    return &op->op;
}

/* --- making ---------------------------------------------------------------------------------- */

/* What was made for a run only is remembered for those who clean up after it. */
static void announce(struct world *w, const char *name)
{
    if (strvec_contains(&w->trace.images, name))
        return;
    strvec_push(&w->trace.images, name);
    (void)trace_write(&w->trace, NULL);
}

/* An image that is being made, until the keeper answers. */
struct making {
    char *name;
    char *owner, *role; /* of labels */
    struct labels labels;
    bool of_run;
    bool kept;
};

static struct making *making_new(const char *name, const struct labels *labels, bool kept)
{
    struct making *m = xcalloc(1, sizeof(*m));
    *m = (struct making){.name = xstrdup(name), .of_run = labels != NULL, .kept = kept};
    if (!labels)
        return m;
    m->owner = xstrdup(labels->owner);
    m->role = xstrdup(labels->role);
    m->labels = (struct labels){.owner = m->owner, .role = m->role, .shard = labels->shard};
    return m;
}

static void making_free(struct making *m)
{
    free(m->name);
    free(m->owner);
    free(m->role);
    free(m);
}

static void note_run_image(struct world *w, const struct making *m, const char *id)
{
    struct embedded *e = w->engine;
    for (size_t i = 0; i < e->run_images.len; i++) {
        if (strcmp(e->run_images.items[i].name, m->name) != 0)
            continue;
        replace_str(&e->run_images.items[i].id, id);
        return;
    }
    struct run_image *image = vec_push(&e->run_images);
    *image = (struct run_image){
        .name = xstrdup(m->name), .id = xstrdup(id), .kept = m->kept, .world = w};
    tags_init(&image->tags, &m->labels);
}

static void on_made(struct world *w, struct call *call, const struct answer *a)
{
    struct making *m = call->subject;
    struct image_op *op = (struct image_op *)call->op;
    if (a->outcome == ENGINE_OK && m->of_run)
        note_run_image(w, m, a->text);
    making_free(m);
    if (op && a->outcome == ENGINE_OK)
        settle_with(op, a->text, NULL);
    else if (op)
        done_failed(&op->op, a, "embedded");
}

/* Two archives of one name have one content. Release with free(). */
static char *name_by_content(const char *const *entrypoint, const void *tar, size_t len)
{
    char digest[DIGEST_SIZE];
    struct sha256 h;
    sha256_init(&h);
    for (; *entrypoint; entrypoint++)
        sha256_add(&h, *entrypoint, strlen(*entrypoint) + 1);
    sha256_add(&h, tar, len);
    sha256_digest(&h, digest);
    return xasprintf("cleanroom-import:%s", strchr(digest, ':') + 1);
}

static int send_import(struct image_op *op, struct making *m, const char *stored,
                       const char *const *entrypoint, int file, struct error *err)
{
    struct request r = {.kind = REQUEST_IMPORT, .name = xstrdup(stored)};
    if (file < 0) {
        making_free(m);
        request_deinit(&r);
        return error_set_errno(err, ERROR_INTERNAL, errno, "no memory file for an archive");
    }
    for (; *entrypoint; entrypoint++)
        strvec_push(&r.entrypoint, *entrypoint);
    world_call(op->world, &r, &file, 1,
               &(struct call){.answered = on_made, .subject = m, .op = &op->op});
    request_deinit(&r);
    return 0;
}

struct engine_op *embedded_image_import(struct engine *engine, const char *name,
                                        const struct labels *labels, const char *const *entrypoint,
                                        const void *tar, size_t len, nsec_t deadline,
                                        engine_image_fn done, void *data)
{
    struct embedded *e = (struct embedded *)engine;
    struct image_op *op = image_new(engine, deadline, done, data);
    _cleanup_error_ struct error err = ERROR_INIT;
    op->world = embedded_world(e, labels, &err);
    if (!op->world) {
        task_settle(&op->op, ENGINE_FAILED, &err);
        return &op->op;
    }
    _cleanup_free_ char *stored = name_by_content(entrypoint, tar, len);
    struct making *m = making_new(name, labels, true);
    const struct held_image *held = image_held(e, stored);
    if (held) {
        note_run_image(op->world, m, held->image.info.id);
        making_free(m);
        settle_with(op, held->image.info.id, NULL);
    } else if (send_import(op, m, stored, entrypoint, file_in_memory(tar, len), &err) < 0) {
        task_settle(&op->op, ENGINE_FAILED, &err);
    }
    return &op->op;
}

struct engine_op *embedded_container_commit(struct engine *engine, const char *name,
                                            const struct commit_spec *spec, nsec_t deadline,
                                            engine_image_fn done, void *data)
{
    struct image_op *op = image_new(engine, deadline, done, data);
    struct container *c = container_by_name((struct embedded *)engine, name);
    if (!c || c->phase == PHASE_RUNNING || c->phase == PHASE_STARTING) {
        task_settle(&op->op, c ? ENGINE_CONFLICT : ENGINE_NOT_FOUND, NULL);
        return &op->op;
    }
    struct request r = {.kind = REQUEST_COMMIT,
                        .object = c->id,
                        .name = xstrdup(spec->name),
                        .parent = xstrdup(c->image),
                        .label = xstrdup(spec->snapshot)};
    if (spec->labels)
        announce(c->world, spec->name);
    op->world = c->world;
    world_call(c->world, &r, NULL, 0,
               &(struct call){.answered = on_made,
                              .subject = making_new(spec->name, spec->labels, false),
                              .op = &op->op});
    request_deinit(&r);
    return &op->op;
}

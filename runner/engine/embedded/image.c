/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images: the store's, held and locked from their first use to the engine's end.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "engine/embedded/done.h"
#include "engine/store/resolve.h"

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
static void note_run_image(struct embedded *e, struct world *w, const struct labels *labels,
                           const char *name, const char *id)
{
    for (size_t i = 0; i < e->run_images.len; i++) {
        if (strcmp(e->run_images.items[i].name, name) != 0)
            continue;
        replace_str(&e->run_images.items[i].id, id);
        return;
    }
    struct run_image *image = vec_push(&e->run_images);
    *image = (struct run_image){.name = xstrdup(name), .id = xstrdup(id), .world = w};
    tags_init(&image->tags, labels);
}

static void announce(struct world *w, const char *name)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    if (strvec_contains(&w->trace.images, name))
        return;
    strvec_push(&w->trace.images, name);
    (void)trace_write(&w->trace, &err);
}

struct engine_op *embedded_image_import(struct engine *engine, const char *name,
                                        const struct labels *labels, const char *const *entrypoint,
                                        const void *tar, size_t len, nsec_t deadline,
                                        engine_image_fn done, void *data)
{
    struct embedded *e = (struct embedded *)engine;
    struct image_op *op = image_new(engine, deadline, done, data);
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *id = NULL;
    struct world *w = embedded_world(e, labels, &err);
    if (w) {
        announce(w, name);
        if (store_add_rootfs(e->store, name, entrypoint, tar, len, &id, &err) == 0)
            note_run_image(e, w, labels, name, id);
    }
    settle_with(op, id, &err);
    return &op->op;
}

struct commit {
    char *name;
    struct labels labels;
    char *owner, *role;
    bool of_run;
};

static void on_committed(struct world *w, struct call *call, const struct answer *a)
{
    struct commit *commit = call->subject;
    struct image_op *op = (struct image_op *)call->op;
    if (a->outcome == ENGINE_OK && commit->of_run)
        note_run_image(w->engine, w, &commit->labels, commit->name, a->text);
    free(commit->name);
    free(commit->owner);
    free(commit->role);
    free(commit);
    if (op && a->outcome == ENGINE_OK)
        settle_with(op, a->text, NULL);
    else if (op)
        done_failed(&op->op, a, "embedded");
}

static struct commit *commit_new(const struct commit_spec *spec)
{
    struct commit *c = xcalloc(1, sizeof(*c));
    c->name = xstrdup(spec->name);
    c->of_run = spec->labels != NULL;
    if (!spec->labels)
        return c;
    c->owner = xstrdup(spec->labels->owner);
    c->role = xstrdup(spec->labels->role);
    c->labels = (struct labels){.owner = c->owner, .role = c->role, .shard = spec->labels->shard};
    return c;
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
    world_call(c->world, &r, NULL, 0, on_committed, commit_new(spec), &op->op);
    request_deinit(&r);
    return &op->op;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What there is of a run: all objects of our own worlds, and of others' what they left outside.
 */
#include "engine/embedded/state.h"

struct list_op {
    struct engine_op op;
    engine_list_fn done;
    VEC(struct object_info) objects;
    struct strvec strings; /* what they point at */
};

static void list_complete(struct engine_op *op, enum engine_outcome outcome,
                          const struct error *err)
{
    struct list_op *l = (struct list_op *)op;
    l->done(op->data, outcome, outcome == ENGINE_OK ? l->objects.items : NULL,
            outcome == ENGINE_OK ? l->objects.len : 0, err);
}

static void list_release(struct engine_op *op)
{
    struct list_op *l = (struct list_op *)op;
    vec_deinit(&l->objects);
    strvec_deinit(&l->strings);
}

static const char *keep(struct list_op *l, const char *s)
{
    strvec_push(&l->strings, s ? s : "");
    return l->strings.items[l->strings.len - 1];
}

static void add(struct list_op *l, enum object_kind kind, const char *name, const char *run,
                const struct tags *tags, bool running)
{
    *vec_push(&l->objects) = (struct object_info){.kind = kind,
                                                  .name = keep(l, name),
                                                  .run = keep(l, run),
                                                  .owner = keep(l, tags->owner),
                                                  .shard = tags->shard,
                                                  .role = keep(l, tags->role),
                                                  .running = running};
}

static void list_own(struct list_op *l, const struct embedded *e, const struct world *w)
{
    for (size_t i = 0; i < e->containers.len; i++) {
        const struct container *c = e->containers.items[i];
        if (c->world == w)
            add(l, OBJECT_CONTAINER, c->name, w->trace.run, &c->tags, c->phase == PHASE_RUNNING);
    }
    for (size_t i = 0; i < e->volumes.len; i++)
        if (e->volumes.items[i]->world == w)
            add(l, OBJECT_VOLUME, e->volumes.items[i]->name, w->trace.run,
                &e->volumes.items[i]->tags, false);
    for (size_t i = 0; i < e->networks.len; i++)
        if (e->networks.items[i].world == w)
            add(l, OBJECT_NETWORK, e->networks.items[i].name, w->trace.run,
                &e->networks.items[i].tags, false);
    for (size_t i = 0; i < e->run_images.len; i++)
        if (e->run_images.items[i].world == w)
            add(l, OBJECT_IMAGE, e->run_images.items[i].name, w->trace.run,
                &e->run_images.items[i].tags, false);
    add(l, OBJECT_WORLD, w->trace.run, w->trace.run, &(struct tags){.owner = w->trace.owner},
        !error_is_set(&w->failure));
}

/* Its images go with it. */
static void list_foreign(struct list_op *l, const char *run)
{
    _cleanup_trace_ struct trace trace = {0};
    if (trace_read(run, &trace))
        add(l, OBJECT_WORLD, run, run, &(struct tags){.owner = trace.owner}, trace.keeper != 0);
}

static bool is_own(const struct embedded *e, const char *run)
{
    for (const struct world *w = e->worlds; w; w = w->next)
        if (strcmp(w->trace.run, run) == 0)
            return true;
    return false;
}

struct engine_op *embedded_list(struct engine *engine, const char *run, nsec_t deadline,
                                engine_list_fn done, void *data)
{
    static const struct task_class class = {.complete = list_complete, .release = list_release};
    struct embedded *e = (struct embedded *)engine;
    struct list_op *l = task_new(engine, &class, sizeof(*l), deadline, data);
    _cleanup_strvec_ struct strvec runs = STRVEC_INIT;
    l->done = done;
    for (const struct world *w = e->worlds; w; w = w->next)
        if (!run || strcmp(run, w->trace.run) == 0)
            list_own(l, e, w);
    if (run)
        strvec_push(&runs, run);
    else
        trace_list(&runs);
    for (size_t i = 0; i < runs.len; i++)
        if (!is_own(e, runs.items[i]))
            list_foreign(l, runs.items[i]);
    task_settle(&l->op, ENGINE_OK, NULL);
    return &l->op;
}

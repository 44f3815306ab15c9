/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes, which are directories that the keeper makes, and networks, which are but names.
 */
#include "engine/embedded/done.h"

struct volume *volume_by_name(struct embedded *e, const char *name)
{
    for (size_t i = 0; i < e->volumes.len; i++)
        if (strcmp(e->volumes.items[i]->name, name) == 0)
            return e->volumes.items[i];
    return NULL;
}

static struct volume *volume_by_id(struct embedded *e, uint32_t id)
{
    for (size_t i = 0; i < e->volumes.len; i++)
        if (e->volumes.items[i]->id == id)
            return e->volumes.items[i];
    return NULL;
}

void volume_drop(struct embedded *e, struct volume *v)
{
    for (size_t i = 0; i < e->volumes.len; i++)
        if (e->volumes.items[i] == v)
            e->volumes.items[i] = e->volumes.items[--e->volumes.len];
    tags_deinit(&v->tags);
    free(v->name);
    free(v);
}

static void on_volume(struct world *w, struct call *call, const struct answer *a)
{
    struct volume *v = volume_by_id(w->engine, call->object);
    if (v && a->outcome != ENGINE_OK)
        volume_drop(w->engine, v);
    done_answered(w, call, a);
}

struct engine_op *embedded_volume_create(struct engine *engine, const char *name,
                                         const struct labels *labels, nsec_t deadline,
                                         engine_done_fn done, void *data)
{
    struct embedded *e = (struct embedded *)engine;
    struct done_op *op = done_new(engine, deadline, done, data);
    _cleanup_error_ struct error err = ERROR_INIT;
    if (volume_by_name(e, name)) {
        task_settle(&op->op, ENGINE_CONFLICT, NULL);
        return &op->op;
    }
    struct world *w = embedded_world(e, labels, &err);
    if (!w) {
        task_settle(&op->op, ENGINE_FAILED, &err);
        return &op->op;
    }
    struct volume *v = xcalloc(1, sizeof(*v));
    *v = (struct volume){.id = ++e->last_object, .name = xstrdup(name), .world = w};
    tags_init(&v->tags, labels);
    *vec_push(&e->volumes) = v;
    struct request r = {.kind = REQUEST_VOLUME_MAKE, .object = v->id};
    op->world = w;
    world_call(w, &r, NULL, 0,
               &(struct call){.answered = on_volume, .object = v->id, .op = &op->op});
    return &op->op;
}

static struct network *network_by_name(struct embedded *e, const char *name)
{
    for (size_t i = 0; i < e->networks.len; i++)
        if (strcmp(e->networks.items[i].name, name) == 0)
            return &e->networks.items[i];
    return NULL;
}

struct engine_op *embedded_network_create(struct engine *engine, const char *name,
                                          const struct labels *labels, nsec_t deadline,
                                          engine_done_fn done, void *data)
{
    struct embedded *e = (struct embedded *)engine;
    struct done_op *op = done_new(engine, deadline, done, data);
    _cleanup_error_ struct error err = ERROR_INIT;
    struct world *w = network_by_name(e, name) ? NULL : embedded_world(e, labels, &err);
    if (!w) {
        task_settle(&op->op, error_is_set(&err) ? ENGINE_FAILED : ENGINE_CONFLICT, &err);
        return &op->op;
    }
    struct network *n = vec_push(&e->networks);
    *n = (struct network){.name = xstrdup(name), .world = w};
    tags_init(&n->tags, labels);
    task_settle(&op->op, ENGINE_OK, NULL);
    return &op->op;
}

static bool volume_in_use(struct embedded *e, uint32_t id)
{
    for (size_t i = 0; i < e->containers.len; i++)
        for (size_t j = 0; j < e->containers.items[i]->volumes.len; j++)
            if (e->containers.items[i]->volumes.items[j] == id)
                return true;
    return false;
}

static void on_volume_removed(struct world *w, struct call *call, const struct answer *a)
{
    struct volume *v = volume_by_id(w->engine, call->object);
    if (v && a->outcome == ENGINE_OK)
        volume_drop(w->engine, v);
    else if (v)
        v->dropping = false;
    done_answered(w, call, a);
}

enum engine_outcome volume_discard(struct embedded *e, const char *name, struct done_op *op,
                                   bool *asked)
{
    struct volume *v = volume_by_name(e, name);
    if (!v || v->dropping || volume_in_use(e, v->id))
        return v ? ENGINE_CONFLICT : ENGINE_NOT_FOUND;
    if (error_is_set(&v->world->failure)) {
        volume_drop(e, v);
        return ENGINE_OK;
    }
    struct request r = {.kind = REQUEST_VOLUME_DROP, .object = v->id};
    v->dropping = true;
    op->world = v->world;
    *asked = true;
    world_call(v->world, &r, NULL, 0,
               &(struct call){.answered = on_volume_removed, .object = v->id, .op = &op->op});
    return ENGINE_OK;
}

void network_drop(struct embedded *e, struct network *n)
{
    tags_deinit(&n->tags);
    free(n->name);
    *n = e->networks.items[--e->networks.len];
}

enum engine_outcome network_remove(struct embedded *e, const char *name)
{
    struct network *n = network_by_name(e, name);
    if (!n)
        return ENGINE_NOT_FOUND;
    for (size_t i = 0; i < e->containers.len; i++) {
        const char *used = e->containers.items[i]->network;
        if (used && strcmp(used, name) == 0)
            return ENGINE_CONFLICT;
    }
    network_drop(e, n);
    return ENGINE_OK;
}

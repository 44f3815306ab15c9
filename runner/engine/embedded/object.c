/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The removal of objects of all kinds.
 */
#include <errno.h>

#include "engine/embedded/burial.h"
#include "engine/embedded/done.h"
#include "engine/embedded/userns.h"

static void on_container_removed(struct world *w, struct call *call, const struct answer *a)
{
    struct container *c = container_by_id(w->engine, call->object);
    static const struct answer gone = {.kind = ANSWER_DONE, .outcome = ENGINE_OK};
    /* What was in a world that broke, the kernel has removed. */
    if (error_is_set(&w->failure))
        a = &gone;
    if (c && a->outcome == ENGINE_OK)
        container_drop(c);
    else if (c)
        c->removing = false;
    done_answered(w, call, a);
}

static enum engine_outcome remove_container(struct embedded *e, const char *name,
                                            struct done_op *op, bool *asked)
{
    struct container *c = container_by_name(e, name);
    if (!c || c->removing)
        return c ? ENGINE_CONFLICT : ENGINE_NOT_FOUND;
    struct request r = {.kind = REQUEST_REMOVE, .object = c->id};
    c->removing = true;
    op->world = c->world;
    *asked = true;
    world_call(c->world, &r, NULL, 0,
               &(struct call){.answered = on_container_removed, .object = c->id, .op = &op->op});
    return ENGINE_OK;
}

static void run_image_drop(struct embedded *e, size_t i)
{
    struct run_image *image = &e->run_images.items[i];
    tags_deinit(&image->tags);
    free(image->name);
    free(image->id);
    *image = e->run_images.items[--e->run_images.len];
}

struct dropping {
    struct store *store;
    const char *name;
};

static int drop_inside(void *data)
{
    struct dropping *d = data;
    return store_remove(d->store, d->name, NULL) < 0 ? -1 : 0;
}

/* An ordinary user's layers have owners that are his only inside a user namespace. */
int image_drop_stored(struct store *store, const char *name, struct error *err)
{
    struct dropping d = {.store = store, .name = name};
    if (!userns_needed())
        return store_remove(store, name, err);
    if (userns_run(drop_inside, &d) == 0)
        return 1;
    return error_set_errno(err, ERROR_ENGINE, errno, "image '%s' could not be removed", name);
}

static bool image_in_use(struct embedded *e, const char *id)
{
    for (size_t i = 0; i < e->containers.len; i++)
        if (strcmp(e->containers.items[i]->image, id) == 0)
            return true;
    return false;
}

static struct run_image *run_image_by_name(struct embedded *e, const char *name)
{
    for (size_t i = 0; i < e->run_images.len; i++)
        if (strcmp(e->run_images.items[i].name, name) == 0)
            return &e->run_images.items[i];
    return NULL;
}

/* We hold what we have used, containers apart: that is let go of first. */
static enum engine_outcome remove_stored(struct embedded *e, const char *name, struct error *err)
{
    struct store_image image = {.lock = -1};
    int found = store_find(e->store, name, &image, err);
    if (found <= 0)
        return found < 0 ? ENGINE_FAILED : ENGINE_NOT_FOUND;
    _cleanup_free_ char *id = xstrdup(image.info.id);
    store_image_release(&image);
    if (image_in_use(e, id))
        return ENGINE_CONFLICT;
    image_release(e, id);
    int removed = image_drop_stored(e->store, name, err);
    if (removed < 0)
        return ENGINE_FAILED;
    return removed ? ENGINE_OK : ENGINE_NOT_FOUND;
}

static enum engine_outcome remove_image(struct embedded *e, const char *name, struct error *err)
{
    struct run_image *image = run_image_by_name(e, name);
    if (image && image_in_use(e, image->id))
        return ENGINE_CONFLICT;
    enum engine_outcome outcome = image && image->kept ? ENGINE_OK : remove_stored(e, name, err);
    if (image && (outcome == ENGINE_OK || outcome == ENGINE_NOT_FOUND))
        run_image_drop(e, (size_t)(image - e->run_images.items));
    return outcome;
}

static struct engine_op *remove_world(struct engine *engine, const char *run, nsec_t deadline,
                                      engine_done_fn done, void *data)
{
    struct embedded *e = (struct embedded *)engine;
    for (struct world *w = e->worlds; w; w = w->next) {
        if (strcmp(w->trace.run, run) != 0)
            continue;
        struct done_op *op = done_new(engine, deadline, done, data);
        if (w->removal) {
            task_settle(&op->op, ENGINE_CONFLICT, NULL);
            return &op->op;
        }
        op->world = w;
        world_remove(w, op);
        return &op->op;
    }
    return burial_begin(engine, run, deadline, done, data);
}

struct engine_op *embedded_remove(struct engine *engine, enum object_kind kind, const char *name,
                                  nsec_t deadline, engine_done_fn done, void *data)
{
    struct embedded *e = (struct embedded *)engine;
    _cleanup_error_ struct error err = ERROR_INIT;
    enum engine_outcome outcome = ENGINE_NOT_FOUND;
    bool asked = false;
    if (kind == OBJECT_WORLD)
        return remove_world(engine, name, deadline, done, data);
    struct done_op *op = done_new(engine, deadline, done, data);
    if (kind == OBJECT_CONTAINER)
        outcome = remove_container(e, name, op, &asked);
    else if (kind == OBJECT_VOLUME)
        outcome = volume_discard(e, name, op, &asked);
    else if (kind == OBJECT_NETWORK)
        outcome = network_remove(e, name);
    else if (kind == OBJECT_IMAGE)
        outcome = remove_image(e, name, &err);
    if (!asked)
        task_settle(&op->op, outcome, &err);
    return &op->op;
}

void embedded_forget(struct world *w)
{
    struct embedded *e = w->engine;
    for (size_t i = e->containers.len; i-- > 0;)
        if (i < e->containers.len && e->containers.items[i]->world == w)
            container_drop(e->containers.items[i]);
    for (size_t i = e->volumes.len; i-- > 0;)
        if (e->volumes.items[i]->world == w)
            volume_drop(e, e->volumes.items[i]);
    for (size_t i = e->networks.len; i-- > 0;)
        if (e->networks.items[i].world == w)
            network_drop(e, &e->networks.items[i]);
    for (size_t i = e->run_images.len; i-- > 0;)
        if (e->run_images.items[i].world == w)
            run_image_drop(e, i);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes, networks, the removal of objects of all kinds, and their list.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

#include "engine/embedded/done.h"
#include "engine/embedded/userns.h"

static struct volume *volume_by_name(struct embedded *e, const char *name)
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

static void volume_drop(struct embedded *e, struct volume *v)
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
    struct volume *v = volume_by_id(w->engine, (uint32_t)(uintptr_t)call->subject);
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
    world_call(w, &r, NULL, 0, on_volume, (void *)(uintptr_t)v->id, &op->op);
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

/* --- removal --------------------------------------------------------------------------------- */

static void on_container_removed(struct world *w, struct call *call, const struct answer *a)
{
    struct container *c = container_by_id(w->engine, (uint32_t)(uintptr_t)call->subject);
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
    world_call(c->world, &r, NULL, 0, on_container_removed, (void *)(uintptr_t)c->id, &op->op);
    return ENGINE_OK;
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
    struct volume *v = volume_by_id(w->engine, (uint32_t)(uintptr_t)call->subject);
    if (v && a->outcome == ENGINE_OK)
        volume_drop(w->engine, v);
    else if (v)
        v->dropping = false;
    done_answered(w, call, a);
}

static enum engine_outcome remove_volume(struct embedded *e, const char *name, struct done_op *op,
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
    world_call(v->world, &r, NULL, 0, on_volume_removed, (void *)(uintptr_t)v->id, &op->op);
    return ENGINE_OK;
}

static void network_drop(struct embedded *e, struct network *n)
{
    tags_deinit(&n->tags);
    free(n->name);
    *n = e->networks.items[--e->networks.len];
}

static enum engine_outcome remove_network(struct embedded *e, const char *name)
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
static int store_drop(struct store *store, const char *name, struct error *err)
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
    int removed = store_drop(e->store, name, err);
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

/* --- worlds of others ------------------------------------------------------------------------ */

struct burial_op {
    struct done_op done;
    struct trace trace;
    int pidfd;
};

static void burial_complete(struct engine_op *op, enum engine_outcome outcome,
                            const struct error *err)
{
    ((struct done_op *)op)->done(op->data, outcome, err);
}

static void burial_detach(struct engine_op *op)
{
    struct burial_op *b = (struct burial_op *)op;
    if (b->pidfd < 0)
        return;
    loop_unwatch(op->engine->engine.loop, b->pidfd);
    close(TAKE_FD(b->pidfd));
}

static void burial_release(struct engine_op *op)
{
    trace_deinit(&((struct burial_op *)op)->trace);
}

static void bury(struct burial_op *b)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct embedded *e = b->done.op.engine;
    for (size_t i = 0; i < b->trace.images.len; i++)
        (void)store_drop(e->store, b->trace.images.items[i], NULL);
    if (trace_remove(&b->trace) < 0)
        error_set_errno(&err, ERROR_ENGINE, errno, "what is left of run '%s' could not be removed",
                        b->trace.run);
    task_settle(&b->done.op, error_is_set(&err) ? ENGINE_FAILED : ENGINE_OK, &err);
}

static void on_keeper_end(void *data, int fd, short revents)
{
    struct burial_op *b = data;
    (void)fd;
    (void)revents;
    burial_detach(&b->done.op);
    bury(b);
}

static struct engine_op *remove_foreign(struct engine *engine, const char *run, nsec_t deadline,
                                        engine_done_fn done, void *data)
{
    static const struct task_class class = {
        .complete = burial_complete, .detach = burial_detach, .release = burial_release};
    struct burial_op *b = task_new(engine, &class, sizeof(*b), deadline, data);
    b->done.done = done;
    b->pidfd = -1;
    if (!trace_read(run, &b->trace)) {
        task_settle(&b->done.op, ENGINE_NOT_FOUND, NULL);
        return &b->done.op;
    }
    if (b->trace.keeper)
        b->pidfd = (int)syscall(SYS_pidfd_open, b->trace.keeper, 0);
    if (b->pidfd < 0) {
        bury(b);
        return &b->done.op;
    }
    (void)syscall(SYS_pidfd_send_signal, b->pidfd, SIGKILL, NULL, 0);
    loop_watch(engine->loop, b->pidfd, POLLIN, on_keeper_end, b);
    return &b->done.op;
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
    return remove_foreign(engine, run, deadline, done, data);
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
        outcome = remove_volume(e, name, op, &asked);
    else if (kind == OBJECT_NETWORK)
        outcome = remove_network(e, name);
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

/* --- list ------------------------------------------------------------------------------------ */

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

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/direct/direct.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "engine/direct/local.h"
#include "engine/store/tree.h"

#define REMOVE_ROUNDS 100
#define REMOVE_PAUSE  20 /* ms */

struct direct {
    struct engine engine;  /* first: what the caller holds */
    struct engine_ops ops; /* without what the other engine has not */
    struct engine *inner;
    char *scratch;
    struct locals locals;
    struct flight flight;
};

static struct direct *direct_of(struct engine *engine)
{
    return (struct direct *)engine;
}

static struct engine *inner_of(struct engine *engine)
{
    engine->requests++;
    return direct_of(engine)->inner;
}

static struct flight *flight_of(struct engine *engine)
{
    return &direct_of(engine)->flight;
}

static struct local *find(struct engine *engine, const char *name)
{
    return local_find(&direct_of(engine)->locals, name);
}

/* --- what programs are asked ----------------------------------------------------------------- */

static struct engine_op *container_create(struct engine *engine, const struct container_spec *spec,
                                          nsec_t deadline, engine_done_fn done, void *data)
{
    struct direct *d = direct_of(engine);
    _cleanup_error_ struct error err = ERROR_INIT;
    if (!spec->program)
        return d->inner->ops->container_create(inner_of(engine), spec, deadline, done, data);
    enum engine_outcome outcome = ENGINE_CONFLICT;
    if (!find(engine, spec->name))
        outcome = local_create(&d->locals, spec, &err) < 0 ? ENGINE_FAILED : ENGINE_OK;
    return flight_known(&d->flight, spec->name, outcome, &err, done, data);
}

static struct engine_op *container_start(struct engine *engine, const char *name, nsec_t deadline,
                                         engine_done_fn done, void *data)
{
    struct local *l = find(engine, name);
    _cleanup_error_ struct error err = ERROR_INIT;
    if (!l)
        return direct_of(engine)->inner->ops->container_start(inner_of(engine), name, deadline,
                                                              done, data);
    enum engine_outcome outcome = ENGINE_CONFLICT;
    if (l->phase == LOCAL_CREATED)
        outcome = local_start(l, &err) < 0 ? ENGINE_FAILED : ENGINE_OK;
    return flight_known(flight_of(engine), name, outcome, &err, done, data);
}

static struct engine_op *container_inspect(struct engine *engine, const char *name, nsec_t deadline,
                                           engine_state_fn done, void *data)
{
    const struct local *l = find(engine, name);
    if (!l)
        return direct_of(engine)->inner->ops->container_inspect(inner_of(engine), name, deadline,
                                                                done, data);
    struct engine_op *op = flight_begin(flight_of(engine), name, NSEC_INFINITY, data);
    op->state = done;
    op->found = (struct container_state){
        .running = l->phase == LOCAL_RUNNING, .exit_code = l->exit_code, .error = ""};
    flight_settle(op, ENGINE_OK, NULL);
    return op;
}

static struct engine_op *container_attach(struct engine *engine, const char *name,
                                          void (*ready)(void *data), engine_output_fn output,
                                          engine_done_fn done, void *data)
{
    struct local *l = find(engine, name);
    if (!l)
        return direct_of(engine)->inner->ops->container_attach(inner_of(engine), name, ready,
                                                               output, done, data);
    if (l->attach || l->phase != LOCAL_CREATED)
        return flight_known(flight_of(engine), name, ENGINE_FAILED, NULL, done, data);
    struct engine_op *op = flight_begin(flight_of(engine), name, NSEC_INFINITY, data);
    op->done = done;
    op->output = output;
    op->ready = ready;
    local_attach(l, op);
    return op;
}

static struct engine_op *container_archive(struct engine *engine, const char *name,
                                           const char *path, nsec_t deadline, engine_bytes_fn bytes,
                                           engine_done_fn done, void *data)
{
    if (!find(engine, name))
        return direct_of(engine)->inner->ops->container_archive(inner_of(engine), name, path,
                                                                deadline, bytes, done, data);
    return flight_archive(flight_of(engine), name, path, deadline, bytes, done, data);
}

static struct engine_op *container_signal(struct engine *engine, const char *name, int number,
                                          nsec_t deadline, engine_done_fn done, void *data)
{
    const struct local *l = find(engine, name);
    if (!l)
        return direct_of(engine)->inner->ops->container_signal(inner_of(engine), name, number,
                                                               deadline, done, data);
    return flight_known(flight_of(engine), name,
                        local_signal(l, number) ? ENGINE_OK : ENGINE_CONFLICT, NULL, done, data);
}

static struct engine_op *engine_remove(struct engine *engine, enum object_kind kind,
                                       const char *name, nsec_t deadline, engine_done_fn done,
                                       void *data)
{
    struct local *l = kind == OBJECT_CONTAINER ? find(engine, name) : NULL;
    if (!l)
        return direct_of(engine)->inner->ops->remove(inner_of(engine), kind, name, deadline, done,
                                                     data);
    if (l->dropping)
        return flight_known(flight_of(engine), name, ENGINE_CONFLICT, NULL, done, data);
    if (l->phase != LOCAL_RUNNING) {
        local_drop(l);
        return flight_known(flight_of(engine), name, ENGINE_OK, NULL, done, data);
    }
    struct engine_op *op = flight_begin(flight_of(engine), name, deadline, data);
    op->done = done;
    local_end(l, op);
    return op;
}

/* --- what programs have not ------------------------------------------------------------------ */

static struct engine_op *container_extract(struct engine *engine, const char *name,
                                           const char *path, const void *tar, size_t len,
                                           nsec_t deadline, engine_done_fn done, void *data)
{
    if (!find(engine, name))
        return direct_of(engine)->inner->ops->container_extract(inner_of(engine), name, path, tar,
                                                                len, deadline, done, data);
    struct engine_op *op = flight_impossible(flight_of(engine), name, data);
    op->done = done;
    return op;
}

static struct engine_op *container_input(struct engine *engine, const char *name, const void *bytes,
                                         size_t len, engine_done_fn done, void *data)
{
    if (!find(engine, name))
        return direct_of(engine)->inner->ops->container_input(inner_of(engine), name, bytes, len,
                                                              done, data);
    struct engine_op *op = flight_impossible(flight_of(engine), name, data);
    op->done = done;
    return op;
}

static struct engine_op *container_resize(struct engine *engine, const char *name,
                                          struct terminal_size size, nsec_t deadline,
                                          engine_done_fn done, void *data)
{
    if (!find(engine, name))
        return direct_of(engine)->inner->ops->container_resize(inner_of(engine), name, size,
                                                               deadline, done, data);
    struct engine_op *op = flight_impossible(flight_of(engine), name, data);
    op->done = done;
    return op;
}

static struct engine_op *container_exec(struct engine *engine, const char *name,
                                        const char *const *argv, nsec_t deadline,
                                        engine_exit_fn done, void *data)
{
    if (!find(engine, name))
        return direct_of(engine)->inner->ops->container_exec(inner_of(engine), name, argv, deadline,
                                                             done, data);
    struct engine_op *op = flight_impossible(flight_of(engine), name, data);
    op->exited = done;
    return op;
}

static struct engine_op *container_commit(struct engine *engine, const char *name,
                                          const struct commit_spec *spec, nsec_t deadline,
                                          engine_image_fn done, void *data)
{
    if (!find(engine, name))
        return direct_of(engine)->inner->ops->container_commit(inner_of(engine), name, spec,
                                                               deadline, done, data);
    struct engine_op *op = flight_impossible(flight_of(engine), name, data);
    op->image = done;
    return op;
}

/* --- what is handed on ----------------------------------------------------------------------- */

static struct engine_op *image_resolve(struct engine *engine, const char *ref,
                                       enum pull_policy policy, nsec_t deadline,
                                       engine_progress_fn progress, engine_image_fn done,
                                       void *data)
{
    struct engine *inner = inner_of(engine);
    return inner->ops->image_resolve(inner, ref, policy, deadline, progress, done, data);
}

static struct engine_op *image_import(struct engine *engine, const char *name,
                                      const struct labels *labels, const char *const *entrypoint,
                                      const void *tar, size_t len, nsec_t deadline,
                                      engine_image_fn done, void *data)
{
    struct engine *inner = inner_of(engine);
    return inner->ops->image_import(inner, name, labels, entrypoint, tar, len, deadline, done,
                                    data);
}

static struct engine_op *network_create(struct engine *engine, const char *name,
                                        const struct labels *labels, nsec_t deadline,
                                        engine_done_fn done, void *data)
{
    struct engine *inner = inner_of(engine);
    return inner->ops->network_create(inner, name, labels, deadline, done, data);
}

static struct engine_op *volume_create(struct engine *engine, const char *name,
                                       const struct labels *labels, nsec_t deadline,
                                       engine_done_fn done, void *data)
{
    struct engine *inner = inner_of(engine);
    return inner->ops->volume_create(inner, name, labels, deadline, done, data);
}

static struct engine_op *list(struct engine *engine, const char *run, nsec_t deadline,
                              engine_list_fn done, void *data)
{
    struct engine *inner = inner_of(engine);
    return inner->ops->list(inner, run, deadline, done, data);
}

static struct engine_op *list_kept(struct engine *engine, nsec_t deadline, engine_kept_fn done,
                                   void *data)
{
    struct engine *inner = inner_of(engine);
    return inner->ops->list_kept(inner, deadline, done, data);
}

static struct engine_op *events(struct engine *engine, const char *run, void (*ready)(void *data),
                                engine_event_fn event, engine_done_fn done, void *data)
{
    struct engine *inner = inner_of(engine);
    return inner->ops->events(inner, run, ready, event, done, data);
}

/* --- the end --------------------------------------------------------------------------------- */

static void cancel(struct engine *engine, struct engine_op *op)
{
    struct direct *d = direct_of(engine);
    if (!flight_cancel(&d->flight, op))
        d->inner->ops->cancel(d->inner, op);
}

static void remove_scratch(const char *scratch)
{
    for (int i = 0; i < REMOVE_ROUNDS && access(scratch, F_OK) == 0; i++) {
        if (i)
            (void)poll(NULL, 0, REMOVE_PAUSE);
        (void)tree_remove(AT_FDCWD, scratch);
    }
}

void direct_bury(const char *scratch)
{
    if (access(scratch, F_OK) < 0)
        return;
    supervisor_kill_marked(scratch);
    remove_scratch(scratch);
}

static void engine_free_all(struct engine *engine)
{
    struct direct *d = direct_of(engine);
    flight_deinit(&d->flight);
    locals_deinit(&d->locals);
    remove_scratch(d->scratch);
    engine_free(d->inner);
    free(d->scratch);
    free(engine->kind);
    free(engine->version);
    free(engine->where);
    free(d);
}

static const struct engine_ops ops = {
    .image_resolve = image_resolve,
    .image_import = image_import,
    .network_create = network_create,
    .volume_create = volume_create,
    .container_create = container_create,
    .container_start = container_start,
    .container_inspect = container_inspect,
    .container_attach = container_attach,
    .container_archive = container_archive,
    .container_extract = container_extract,
    .container_signal = container_signal,
    .container_input = container_input,
    .container_resize = container_resize,
    .container_exec = container_exec,
    .container_commit = container_commit,
    .remove = engine_remove,
    .list = list,
    .list_kept = list_kept,
    .events = events,
    .cancel = cancel,
    .free = engine_free_all,
};

struct engine *direct_open(struct engine *inner, const char *scratch)
{
    struct direct *d = xcalloc(1, sizeof(*d));
    *d = (struct direct){.engine = {.ops = &d->ops,
                                    .loop = inner->loop,
                                    .kind = xstrdup(inner->kind),
                                    .version = xstrdup(inner->version),
                                    .where = xstrdup(inner->where),
                                    .why = inner->why,
                                    .cpus = inner->cpus},
                         .ops = ops,
                         .inner = inner,
                         .locals = {.loop = inner->loop},
                         .flight = {.engine = &d->engine},
                         .scratch = xstrdup(scratch)};
    inner->why = NULL;
    d->locals.scratch = d->scratch;
    if (!inner->ops->list_kept)
        d->ops.list_kept = NULL;
    return &d->engine;
}

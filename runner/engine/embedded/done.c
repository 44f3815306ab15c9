/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/done.h"

#include "engine/store/resolve.h"

static void done_complete(struct engine_op *op, enum engine_outcome outcome,
                          const struct error *err)
{
    ((struct done_op *)op)->done(op->data, outcome, err);
}

static void done_detach(struct engine_op *op)
{
    struct world *w = ((struct done_op *)op)->world;
    if (w)
        world_forget(w, op);
}

struct done_op *done_new(struct engine *engine, nsec_t deadline, engine_done_fn done, void *data)
{
    static const struct task_class class = {.complete = done_complete, .detach = done_detach};
    struct done_op *op = task_new(engine, &class, sizeof(*op), deadline, data);
    op->done = done;
    return op;
}

void done_failed(struct engine_op *op, const struct answer *answer, const char *what)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    enum engine_outcome outcome = (enum engine_outcome)answer->outcome;
    if (outcome == ENGINE_FAILED)
        error_set(&err, (enum error_kind)answer->error_kind, "%s%s%s", what ? what : "",
                  what ? ": " : "", answer->text ? answer->text : "");
    task_finish(op, outcome, &err);
}

void done_answered(struct world *w, struct call *call, const struct answer *answer)
{
    (void)w;
    if (call->op)
        done_failed(call->op, answer, "embedded");
}

static void image_complete(struct engine_op *op, enum engine_outcome outcome,
                           const struct error *err)
{
    struct image_op *i = (struct image_op *)op;
    i->done(op->data, outcome, outcome == ENGINE_OK ? i->info : NULL, err);
}

static void image_detach(struct engine_op *op)
{
    struct image_op *i = (struct image_op *)op;
    if (i->resolve)
        resolve_cancel(TAKE_PTR(i->resolve));
    if (i->world)
        world_forget(i->world, op);
}

struct image_op *image_new(struct engine *engine, nsec_t deadline, engine_image_fn done, void *data)
{
    static const struct task_class class = {.complete = image_complete, .detach = image_detach};
    struct image_op *op = task_new(engine, &class, sizeof(*op), deadline, data);
    op->done = done;
    return op;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/task.h"

#include "engine/embedded/state.h"

static void on_timer(void *data)
{
    struct engine_op *op = data;
    _cleanup_error_ struct error late = ERROR_INIT;
    if (op->settled && (op->cancelled || clock_now() < op->deadline)) {
        task_finish(op, op->outcome, &op->failure);
        return;
    }
    error_set(&late, ERROR_TIMEOUT, "the embedded engine did not answer in time");
    task_finish(op, ENGINE_FAILED, &late);
}

void *task_new(struct engine *engine, const struct task_class *class, size_t size, nsec_t deadline,
               void *data)
{
    struct embedded *e = (struct embedded *)engine;
    struct engine_op *op = xcalloc(1, size);
    op->class = class;
    op->engine = e;
    op->deadline = deadline;
    op->data = data;

    op->next = e->ops;
    op->link = &e->ops;
    if (op->next)
        op->next->link = &op->next;
    e->ops = op;
    engine->requests++;
    loop_timer_arm(engine->loop, &op->timer, deadline, on_timer, op);
    return op;
}

static void detach(struct engine_op *op)
{
    *op->link = op->next;
    if (op->next)
        op->next->link = op->link;
    loop_timer_disarm(op->engine->engine.loop, &op->timer);
    if (op->class->detach)
        op->class->detach(op);
}

static void release(struct engine_op *op)
{
    if (op->class->release)
        op->class->release(op);
    error_clear(&op->failure);
    free(op);
}

void task_drop(struct engine_op *op)
{
    detach(op);
    release(op);
}

void task_finish(struct engine_op *op, enum engine_outcome outcome, const struct error *err)
{
    _cleanup_error_ struct error why = ERROR_INIT;
    if (op->cancelled) {
        outcome = ENGINE_CANCELLED;
        error_set(&why, ERROR_CANCELLED, "cancelled");
    } else if (outcome == ENGINE_FAILED) {
        error_copy(&why, err);
    }
    detach(op);
    op->class->complete(op, outcome, error_is_set(&why) ? &why : NULL);
    release(op);
}

void task_settle(struct engine_op *op, enum engine_outcome outcome, struct error *err)
{
    op->settled = true;
    op->outcome = outcome;
    if (err)
        error_move(&op->failure, err);
    loop_timer_arm(op->engine->engine.loop, &op->timer, 1, on_timer, op);
}

void task_cancel(struct engine_op *op)
{
    op->cancelled = true;
    op->settled = true;
    loop_timer_arm(op->engine->engine.loop, &op->timer, 1, on_timer, op);
}

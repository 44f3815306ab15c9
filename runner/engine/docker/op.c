/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/docker/op.h"

#include <string.h>

#include "engine/docker/json.h"

void *op_new(struct engine *engine, const struct op_class *class, size_t size, nsec_t deadline,
             void *data)
{
    struct docker *docker = (struct docker *)engine;
    struct engine_op *op = xcalloc(1, size);
    op->class = class;
    op->docker = docker;
    op->deadline = deadline;
    op->data = data;

    op->next = docker->ops;
    op->link = &docker->ops;
    if (op->next)
        op->next->link = &op->next;
    docker->ops = op;
    engine->requests++;
    return op;
}

static void unlink_op(struct engine_op *op)
{
    *op->link = op->next;
    if (op->next)
        op->next->link = op->link;
}

static void detach(struct engine_op *op)
{
    unlink_op(op);
    loop_timer_disarm(op->docker->engine.loop, &op->timer);
    http_call_cancel(TAKE_PTR(op->call));
}

void op_drop(struct engine_op *op)
{
    detach(op);
    if (op->class->release)
        op->class->release(op);
    error_clear(&op->failure);
    free(op);
}

void op_finish(struct engine_op *op, enum engine_outcome outcome, const struct error *err)
{
    struct error cancelled _cleanup_error_ = ERROR_INIT;
    if (op->cancelled) {
        error_set(&cancelled, ERROR_CANCELLED, "cancelled");
        outcome = ENGINE_CANCELLED;
        err = &cancelled;
    }

    detach(op);
    op->class->complete(op, outcome, err);
    if (op->class->release)
        op->class->release(op);
    error_clear(&op->failure);
    free(op);
}

static void on_timer(void *data)
{
    struct engine_op *op = data;
    op_finish(op, ENGINE_FAILED, &op->failure);
}

void op_fail_later(struct engine_op *op, struct error *err)
{
    error_move(&op->failure, err);
    loop_timer_arm(op->docker->engine.loop, &op->timer, 1, on_timer, op);
}

/* May be called from within libcurl, by whoever takes our output: the rest waits for the loop. */
void op_cancel(struct engine_op *op)
{
    op->cancelled = true;
    loop_timer_arm(op->docker->engine.loop, &op->timer, 1, on_timer, op);
}

static void on_answer(void *data, const struct http_answer *answer)
{
    struct engine_op *op = data;
    op->call = NULL; /* it frees itself after this */
    op->then(op, answer);
}

void op_stream(struct engine_op *op, struct http_request *request, op_answer_fn then,
               const struct http_handlers *handlers)
{
    struct http_handlers with_done = *handlers;
    with_done.done = on_answer;
    op->then = then;
    op->call = http_call_new(&op->docker->http, request, op->deadline, &with_done, op);
}

void op_request(struct engine_op *op, struct http_request *request, op_answer_fn then)
{
    op_stream(op, request, then, &(struct http_handlers){0});
}

static enum engine_outcome by_status(int status)
{
    switch (status) {
    case 101:
    case 200 ... 299:
        return ENGINE_OK;
    case 404:
        return ENGINE_NOT_FOUND;
    case 304:
    case 409:
        return ENGINE_CONFLICT;
    default:
        return ENGINE_FAILED;
    }
}

enum engine_outcome op_outcome(const struct engine_op *op, const struct http_answer *answer,
                               const struct op_rule *rules, struct error *err)
{
    if (answer->err) {
        error_copy(err, answer->err);
        return ENGINE_FAILED;
    }
    enum engine_outcome outcome = by_status(answer->status);
    if (outcome == ENGINE_OK)
        return outcome;

    _cleanup_free_ char *message = json_error_message(answer->body, answer->body_len);
    for (const struct op_rule *rule = rules; rule && rule->status; rule++) {
        if (rule->status == answer->status && strcasestr(message, rule->words)) {
            outcome = rule->outcome;
            break;
        }
    }
    if (outcome == ENGINE_FAILED)
        error_set(err, ERROR_ENGINE, "%s: %s", op->docker->engine.kind, message);
    return outcome;
}

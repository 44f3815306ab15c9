/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words run in a container: made, started with an output that ends with them, looked at.
 */
#include "engine/docker/ops.h"

#include "engine/docker/api.h"
#include "engine/docker/frame.h"
#include "engine/docker/json.h"

/* The output's end and the exit code are not told at once. */
#define LOOK_PAUSE (20 * NSEC_PER_MSEC)

struct exec_op {
    struct engine_op op;
    engine_exit_fn done;
    char *id;
    int64_t code;
    bool running;
    struct frame frame;
    struct strbuf output; /* its end */
};

static void complete(struct engine_op *op, enum engine_outcome outcome, const struct error *err)
{
    struct exec_op *e = (struct exec_op *)op;
    e->done(op->data, outcome, (int)e->code, e->output.buf, err);
}

static void release(struct engine_op *op)
{
    struct exec_op *e = (struct exec_op *)op;
    free(e->id);
    strbuf_deinit(&e->output);
}

static const struct op_class exec_class = {.complete = complete, .release = release};

static const struct op_rule rules[] = {
    {500, "is not running", ENGINE_CONFLICT},
    {500, "state improper", ENGINE_CONFLICT}, /* Podman */
    {0, NULL, 0},
};

/* The answer's fields into *e; -1: the op has ended. */
static int take_answer(struct exec_op *e, const struct http_answer *answer,
                       const struct json_field *fields, size_t count)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    enum engine_outcome outcome = op_outcome(&e->op, answer, rules, &err);
    if (outcome == ENGINE_OK) {
        _cleanup_json_ json_t *root = json_parse(answer->body, answer->body_len, &err);
        if (root && json_decode(root, fields, count, e, &err) == 0)
            return 0;
        outcome = ENGINE_FAILED;
    }
    op_finish(&e->op, outcome, outcome == ENGINE_FAILED ? &err : NULL);
    return -1;
}

static void look(void *data);

static void on_look(struct engine_op *op, const struct http_answer *answer)
{
    static const struct json_field fields[] = {
        {"Running", JSON_KIND_BOOL, offsetof(struct exec_op, running), true},
        {"ExitCode", JSON_KIND_INT, offsetof(struct exec_op, code), false},
    };
    struct exec_op *e = (struct exec_op *)op;
    if (take_answer(e, answer, fields, ARRAY_SIZE(fields)) < 0)
        return;
    if (e->running)
        loop_timer_arm(op->docker->engine.loop, &op->timer, clock_now() + LOOK_PAUSE, look, e);
    else
        op_finish(op, ENGINE_OK, NULL);
}

static void look(void *data)
{
    struct exec_op *e = data;
    struct http_request request = api_exec_inspect(e->id);
    op_request(&e->op, &request, on_look);
}

static void on_frame(void *data, int stream, const void *bytes, size_t len)
{
    struct exec_op *e = data;
    (void)stream;
    strbuf_add_tail(&e->output, bytes, len, EXEC_OUTPUT_MAX);
}

static int on_output(void *data, const void *bytes, size_t len)
{
    struct exec_op *e = data;
    return frame_feed(&e->frame, bytes, len, on_frame, e);
}

static void on_end(struct engine_op *op, const struct http_answer *answer)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    enum engine_outcome outcome = op_outcome(op, answer, rules, &err);
    if (outcome == ENGINE_OK)
        look(op);
    else
        op_finish(op, outcome, outcome == ENGINE_FAILED ? &err : NULL);
}

static void on_made(struct engine_op *op, const struct http_answer *answer)
{
    static const struct json_field fields[] = {
        {"Id", JSON_KIND_STRING, offsetof(struct exec_op, id), true},
    };
    struct exec_op *e = (struct exec_op *)op;
    if (take_answer(e, answer, fields, ARRAY_SIZE(fields)) < 0)
        return;
    struct http_request request = api_exec_start(e->id);
    op_stream(op, &request, on_end, &(struct http_handlers){.body = on_output});
}

struct engine_op *docker_container_exec(struct engine *engine, const char *name,
                                        const char *const *argv, nsec_t deadline,
                                        engine_exit_fn done, void *data)
{
    struct exec_op *e = op_new(engine, &exec_class, sizeof(*e), deadline, data);
    struct error err _cleanup_error_ = ERROR_INIT;
    struct http_request request;
    e->done = done;
    strbuf_init(&e->output, 0);
    if (api_exec_create(&request, name, argv, &err) < 0)
        op_fail_later(&e->op, &err);
    else
        op_request(&e->op, &request, on_made);
    return &e->op;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers with an input: their attach is a connection of its own on which bytes go both ways,
 * and the input is what is written there.
 */
#include "engine/docker/ops.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "engine/docker/api.h"
#include "engine/docker/frame.h"
#include "engine/docker/raw.h"

#define HEAD_MAX 65536

struct input_op;

struct hijack_op {
    struct engine_op op;
    void (*ready)(void *data);
    engine_output_fn output;
    engine_done_fn done;
    char *name;
    bool terminal;
    struct raw *raw;
    struct strbuf head; /* of the answer, and what came with it */
    bool upgraded;
    struct frame frame;
    struct input_op *input; /* being written, or NULL */
};

struct input_op {
    struct plain_op plain;
    struct hijack_op *hijack; /* NULL: nobody takes it */
    char *bytes;
    size_t len, at;
};

static void finish_taken(void *data)
{
    op_finish(data, ENGINE_OK, NULL);
}

static void finish_untaken(void *data)
{
    op_finish(data, ENGINE_CONFLICT, NULL);
}

/* --- the connection -------------------------------------------------------------------------- */

static void on_connection(void *data, int fd, short revents);

static void watch(struct hijack_op *h)
{
    struct loop *loop = h->op.docker->engine.loop;
    loop_unwatch(loop, raw_fd(h->raw));
    loop_watch(loop, raw_fd(h->raw), h->input ? POLLIN | POLLOUT : POLLIN, on_connection, h);
}

static void complete(struct engine_op *op, enum engine_outcome outcome, const struct error *err)
{
    ((struct hijack_op *)op)->done(op->data, outcome, err);
}

static void drop_input(struct hijack_op *h)
{
    struct input_op *i = TAKE_PTR(h->input);
    if (!i)
        return;
    i->hijack = NULL;
    loop_timer_arm(h->op.docker->engine.loop, &i->plain.op.timer, 1, finish_untaken, i);
}

static void release(struct engine_op *op)
{
    struct hijack_op *h = (struct hijack_op *)op;
    drop_input(h);
    if (h->raw)
        loop_unwatch(op->docker->engine.loop, raw_fd(h->raw));
    raw_close(h->raw);
    strbuf_deinit(&h->head);
    free(h->name);
}

static const struct op_class hijack_class = {.complete = complete, .release = release};

static void break_off(struct hijack_op *h, const char *what)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    error_set(&err, ERROR_ENGINE, "the engine at %s %s", h->op.docker->engine.where, what);
    op_finish(&h->op, ENGINE_FAILED, &err);
}

static void on_frame(void *data, int stream, const void *bytes, size_t len)
{
    struct hijack_op *h = data;
    if (!h->op.cancelled)
        h->output(h->op.data, (enum output_stream)stream, bytes, len);
}

/* -1: it makes no sense. */
static int deliver(struct hijack_op *h, const void *bytes, size_t len)
{
    if (!h->terminal)
        return frame_feed(&h->frame, bytes, len, on_frame, h);
    if (len)
        on_frame(h, OUTPUT_STDOUT, bytes, len);
    return 0;
}

static void refuse(struct hijack_op *h, int status, size_t head)
{
    struct http_answer answer = {
        .status = status, .body = h->head.buf + head, .body_len = h->head.len - head};
    _cleanup_error_ struct error err = ERROR_INIT;
    enum engine_outcome outcome = op_outcome(&h->op, &answer, NULL, &err);
    op_finish(&h->op, outcome, outcome == ENGINE_FAILED ? &err : NULL);
}

/* False: it is over. */
static bool take_head(struct hijack_op *h, const void *bytes, size_t len)
{
    int status;
    size_t body;
    if (strbuf_add(&h->head, bytes, len) < 0) {
        break_off(h, "gave an endless answer");
        return false;
    }
    size_t head = raw_head(h->head.buf, h->head.len, &status, &body);
    if (head == 0)
        return true;
    if (status != 101 && status != 200) {
        if (h->head.len < head + body)
            return true;
        refuse(h, status, head);
        return false;
    }
    h->upgraded = true;
    if (h->ready && !h->op.cancelled)
        h->ready(h->op.data);
    if (deliver(h, h->head.buf + head, h->head.len - head) == 0)
        return true;
    break_off(h, "sent a stream that makes no sense");
    return false;
}

static void at_end(struct hijack_op *h)
{
    if (h->upgraded && (h->terminal || frame_at_edge(&h->frame)))
        op_finish(&h->op, ENGINE_OK, NULL);
    else
        break_off(h, "broke off a container's output");
}

static void read_all(struct hijack_op *h)
{
    char bytes[16384];
    while (!h->op.cancelled) {
        ssize_t n = raw_read(h->raw, bytes, sizeof(bytes));
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            at_end(h);
            return;
        }
        if (!h->upgraded) {
            if (!take_head(h, bytes, (size_t)n))
                return;
        } else if (deliver(h, bytes, (size_t)n) < 0) {
            break_off(h, "sent a stream that makes no sense");
            return;
        }
    }
}

static void write_some(struct hijack_op *h)
{
    struct input_op *i = h->input;
    ssize_t n = raw_write(h->raw, i->bytes + i->at, i->len - i->at);
    if (n < 0 && errno == EAGAIN)
        return;
    i->at += n > 0 ? (size_t)n : 0;
    if (n > 0 && i->at < i->len)
        return;
    if (n < 0) {
        drop_input(h);
        watch(h);
        return;
    }
    h->input = NULL;
    i->hijack = NULL;
    watch(h);
    op_finish(&i->plain.op, ENGINE_OK, NULL);
}

static void on_connection(void *data, int fd, short revents)
{
    struct hijack_op *h = data;
    (void)fd;
    if (revents & POLLOUT && h->input)
        write_some(h);
    if (revents & ~POLLOUT)
        read_all(h);
}

struct engine_op *docker_hijack(struct engine *engine, const char *name, bool terminal,
                                void (*ready)(void *data), engine_output_fn output,
                                engine_done_fn done, void *data)
{
    struct hijack_op *h = op_new(engine, &hijack_class, sizeof(*h), NSEC_INFINITY, data);
    _cleanup_error_ struct error err = ERROR_INIT;
    h->ready = ready;
    h->output = output;
    h->done = done;
    h->name = xstrdup(name);
    h->terminal = terminal;
    strbuf_init(&h->head, HEAD_MAX);
    struct http_request request = api_container_hijack(name);
    h->raw = raw_open(&h->op.docker->http, request.method, request.path, &err);
    http_request_deinit(&request);
    if (h->raw)
        watch(h);
    else
        op_fail_later(&h->op, &err);
    return &h->op;
}

/* --- input, size ----------------------------------------------------------------------------- */

static void input_complete(struct engine_op *op, enum engine_outcome outcome,
                           const struct error *err)
{
    ((struct plain_op *)op)->done(op->data, outcome, err);
}

static void input_release(struct engine_op *op)
{
    struct input_op *i = (struct input_op *)op;
    if (i->hijack) {
        i->hijack->input = NULL;
        watch(i->hijack);
    }
    free(i->bytes);
}

static struct hijack_op *find(struct docker *docker, const char *name)
{
    for (struct engine_op *op = docker->ops; op; op = op->next)
        if (op->class == &hijack_class && !op->cancelled &&
            strcmp(((struct hijack_op *)op)->name, name) == 0)
            return (struct hijack_op *)op;
    return NULL;
}

struct engine_op *docker_container_input(struct engine *engine, const char *name, const void *bytes,
                                         size_t len, engine_done_fn done, void *data)
{
    static const struct op_class class = {.complete = input_complete, .release = input_release};
    struct input_op *i = op_new(engine, &class, sizeof(*i), NSEC_INFINITY, data);
    struct docker *docker = (struct docker *)engine;
    struct hijack_op *h = find(docker, name);
    i->plain.done = done;
    if (!h || !h->upgraded || h->input) {
        loop_timer_arm(engine->loop, &i->plain.op.timer, 1, finish_untaken, i);
        return &i->plain.op;
    }
    if (len == 0) {
        if (!h->terminal)
            raw_end(h->raw);
        loop_timer_arm(engine->loop, &i->plain.op.timer, 1, finish_taken, i);
        return &i->plain.op;
    }
    i->bytes = xmemdup(bytes, len);
    i->len = len;
    i->hijack = h;
    h->input = i;
    watch(h);
    return &i->plain.op;
}

static const struct op_rule resize_rules[] = {
    {500, "is not running", ENGINE_CONFLICT},
    {500, "state improper", ENGINE_CONFLICT}, /* Podman */
    {0, NULL, 0},
};

struct engine_op *docker_container_resize(struct engine *engine, const char *name,
                                          struct terminal_size size, nsec_t deadline,
                                          engine_done_fn done, void *data)
{
    struct plain_op *plain = plain_new(engine, resize_rules, deadline, done, data);
    struct http_request request = api_container_resize(name, size);
    op_request(&plain->op, &request, plain_answer);
    return &plain->op;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The long answers: what a container writes, its files, and the engine's events.
 *
 * Attach and events have no deadline of their own: they last as long as what they follow.
 */
#include "engine/docker/ops.h"

#include <string.h>

#include "engine/docker/api.h"
#include "engine/docker/frame.h"
#include "engine/docker/json.h"

struct stream_op {
    struct engine_op op;
    void (*ready)(void *data);
    engine_output_fn output;
    engine_bytes_fn bytes;
    engine_event_fn event;
    engine_done_fn done;
    struct frame frame;
    struct json_lines lines;
};

static void complete(struct engine_op *op, enum engine_outcome outcome, const struct error *err)
{
    ((struct stream_op *)op)->done(op->data, outcome, err);
}

static void release(struct engine_op *op)
{
    json_lines_deinit(&((struct stream_op *)op)->lines);
}

static const struct op_class stream_class = {.complete = complete, .release = release};

static struct stream_op *stream_new(struct engine *engine, nsec_t deadline, engine_done_fn done,
                                    void *data)
{
    struct stream_op *s = op_new(engine, &stream_class, sizeof(*s), deadline, data);
    s->done = done;
    json_lines_init(&s->lines);
    return s;
}

static void on_ready(void *data)
{
    struct stream_op *s = data;
    if (!s->op.cancelled && s->ready)
        s->ready(s->op.data);
}

/* To attach to a container Podman prepares it: what is in its way then does not go away. */
static const struct op_rule attach_rules[] = {
    {409, "address already in use", ENGINE_FAILED},
    {0, NULL, 0},
};

static void on_end(struct engine_op *op, const struct http_answer *answer)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    enum engine_outcome outcome = op_outcome(op, answer, attach_rules, &err);
    if (outcome == ENGINE_OK && !frame_at_edge(&((struct stream_op *)op)->frame)) {
        outcome = ENGINE_FAILED;
        error_set(&err, ERROR_ENGINE, "the engine at %s broke off a container's output",
                  op->docker->engine.where);
    }
    op_finish(op, outcome, outcome == ENGINE_FAILED ? &err : NULL);
}

static void on_frame(void *data, int stream, const void *bytes, size_t len)
{
    struct stream_op *s = data;
    if (!s->op.cancelled)
        s->output(s->op.data, (enum output_stream)stream, bytes, len);
}

static int on_output(void *data, const void *bytes, size_t len)
{
    struct stream_op *s = data;
    return frame_feed(&s->frame, bytes, len, on_frame, s);
}

struct engine_op *docker_container_attach(struct engine *engine, const char *name,
                                          void (*ready)(void *data), engine_output_fn output,
                                          engine_done_fn done, void *data)
{
    const struct docker *docker = (struct docker *)engine;
    if (strvec_contains(&docker->inputs, name))
        return docker_hijack(engine, name, strvec_contains(&docker->terminals, name), ready, output,
                             done, data);
    struct stream_op *s = stream_new(engine, NSEC_INFINITY, done, data);
    s->ready = ready;
    s->output = output;
    struct http_request request = api_container_attach(name);
    op_stream(&s->op, &request, on_end,
              &(struct http_handlers){.ready = on_ready, .body = on_output});
    return &s->op;
}

/*
 * Files. Podman answers with success and nothing while it still unmounts a container that just
 * ended; an archive is never empty, so that is a reason to ask again.
 */

enum {
    ARCHIVE_TRIES = 20,
    ARCHIVE_PAUSE_MS = 50,
};

struct archive_op {
    struct stream_op stream;
    char *name;
    char *path;
    bool any;
    int tries;
};

static void archive_release(struct engine_op *op)
{
    struct archive_op *a = (struct archive_op *)op;
    free(a->name);
    free(a->path);
    release(op);
}

static const struct op_class archive_class = {.complete = complete, .release = archive_release};

static int on_bytes(void *data, const void *bytes, size_t len)
{
    struct archive_op *a = data;
    a->any = true;
    if (!a->stream.op.cancelled)
        a->stream.bytes(a->stream.op.data, bytes, len);
    return 0;
}

static void ask_archive(void *data);

static void on_archive(struct engine_op *op, const struct http_answer *answer)
{
    struct archive_op *a = (struct archive_op *)op;
    struct error err _cleanup_error_ = ERROR_INIT;
    bool empty = answer->status == 200 && !a->any;
    if (!empty) {
        on_end(op, answer);
    } else if (++a->tries < ARCHIVE_TRIES) {
        loop_timer_arm(op->docker->engine.loop, &op->timer,
                       clock_now() + ARCHIVE_PAUSE_MS * NSEC_PER_MSEC, ask_archive, a);
    } else {
        error_set(&err, ERROR_ENGINE, "%s: no files came for '%s'", op->docker->engine.kind,
                  a->path);
        op_finish(op, ENGINE_FAILED, &err);
    }
}

static void ask_archive(void *data)
{
    struct archive_op *a = data;
    struct http_request request = api_container_archive(a->name, a->path);
    op_stream(&a->stream.op, &request, on_archive, &(struct http_handlers){.body = on_bytes});
}

struct engine_op *docker_container_archive(struct engine *engine, const char *name,
                                           const char *path, nsec_t deadline, engine_bytes_fn bytes,
                                           engine_done_fn done, void *data)
{
    struct archive_op *a = op_new(engine, &archive_class, sizeof(*a), deadline, data);
    json_lines_init(&a->stream.lines);
    a->stream.done = done;
    a->stream.bytes = bytes;
    a->name = xstrdup(name);
    a->path = xstrdup(path);
    ask_archive(a);
    return &a->stream.op;
}

static const struct {
    const char *action;
    int kind;
} event_kinds[] = {
    {"start", EVENT_STARTED},
    {"die", EVENT_DIED},
    {"oom", EVENT_OOM},
};

static void on_event(void *data, const json_t *line)
{
    struct stream_op *s = data;
    const char *action = json_string_at(line, "Action", "");
    const char *name = json_string_at(line, "Actor/Attributes/name", NULL);
    const char *code = json_string_at(line, "Actor/Attributes/exitCode", "0");
    for (size_t i = 0; i < ARRAY_SIZE(event_kinds); i++) {
        if (strcmp(action, event_kinds[i].action) != 0 || !name || s->op.cancelled)
            continue;
        struct engine_event event = {
            .name = name,
            .exit_code = (int)strtol(code, NULL, 10),
        };
        event.kind = event_kinds[i].kind;
        s->event(s->op.data, &event);
    }
}

static int on_event_bytes(void *data, const void *bytes, size_t len)
{
    struct stream_op *s = data;
    return json_lines_feed(&s->lines, bytes, len, on_event, s);
}

struct engine_op *docker_container_events(struct engine *engine, const char *run,
                                          void (*ready)(void *data), engine_event_fn event,
                                          engine_done_fn done, void *data)
{
    struct stream_op *s = stream_new(engine, NSEC_INFINITY, done, data);
    s->ready = ready;
    s->event = event;
    /* dockerd answers before it subscribes us: without `since` what happens in between is lost. */
    struct http_request request = api_events(run, s->op.docker->since);
    op_stream(&s->op, &request, on_end,
              &(struct http_handlers){.ready = on_ready, .body = on_event_bytes});
    return &s->op;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/flow.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#define CHUNK 65536

struct attach_op {
    struct engine_op op;
    void (*ready)(void *data);
    engine_output_fn output;
    engine_done_fn done;
    struct container *container; /* NULL: there is none */
    bool said_ready;
};

static void unwatch(struct container *c, int i)
{
    struct loop *loop = c->world->engine->engine.loop;
    if (c->flowing)
        loop_unwatch(loop, c->out[i]);
    close(TAKE_FD(c->out[i]));
}

/* 1: some was read, 0: nothing now, -1: it is at its end. */
static int read_some(struct container *c, int i)
{
    char chunk[CHUNK];
    ssize_t n = read(c->out[i], chunk, sizeof(chunk));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0) {
        unwatch(c, i);
        return -1;
    }
    struct attach_op *a = c->attach;
    if (a && !a->op.cancelled)
        a->output(a->op.data, i == 0 ? OUTPUT_STDOUT : OUTPUT_STDERR, chunk, (size_t)n);
    return 1;
}

static void finish_attach(struct container *c)
{
    struct attach_op *a = c->attach;
    if (a && a->said_ready)
        task_finish(&a->op, ENGINE_OK, NULL);
}

void flow_settle(struct container *c)
{
    if (c->phase == PHASE_ENDED && c->out[0] < 0 && c->out[1] < 0)
        finish_attach(c);
}

static void on_output(void *data, int fd, short revents)
{
    struct container *c = data;
    (void)revents;
    int i = fd == c->out[0] ? 0 : 1;
    if (read_some(c, i) < 0)
        flow_settle(c);
}

int flow_open(struct container *c, int ends[2][2])
{
    if (pipe2(ends[0], O_CLOEXEC) < 0)
        return -1;
    if (pipe2(ends[1], O_CLOEXEC) < 0) {
        int saved = errno;
        close(ends[0][0]);
        close(ends[0][1]);
        errno = saved;
        return -1;
    }
    for (int i = 0; i < 2; i++) {
        (void)fcntl(ends[i][0], F_SETFL, O_NONBLOCK);
        c->out[i] = ends[i][0];
    }
    return 0;
}

void flow_begin(struct container *c)
{
    c->flowing = true;
    for (int i = 0; i < 2; i++)
        if (c->out[i] >= 0)
            loop_watch(c->world->engine->engine.loop, c->out[i], POLLIN, on_output, c);
}

/* Its processes are dead or were never there, so this comes to an end. */
void flow_end(struct container *c)
{
    for (int i = 0; i < 2; i++) {
        while (c->out[i] >= 0 && c->flowing && read_some(c, i) > 0)
            ;
        if (c->out[i] >= 0)
            unwatch(c, i);
    }
    input_end(c);
    struct attach_op *a = c->attach;
    if (!a)
        return;
    /* Not from within whatever call brought us here; who has not said ready has a timer already. */
    a->container = NULL;
    c->attach = NULL;
    if (a->said_ready)
        task_settle(&a->op, ENGINE_OK, NULL);
}

/* --- attach ---------------------------------------------------------------------------------- */

static void attach_complete(struct engine_op *op, enum engine_outcome outcome,
                            const struct error *err)
{
    ((struct attach_op *)op)->done(op->data, outcome, err);
}

static void attach_detach(struct engine_op *op)
{
    struct attach_op *a = (struct attach_op *)op;
    if (a->container)
        a->container->attach = NULL;
}

static void say_ready(void *data)
{
    struct attach_op *a = data;
    if (a->op.cancelled || !a->container) {
        task_finish(&a->op, ENGINE_OK, NULL);
        return;
    }
    a->said_ready = true;
    struct container *c = a->container;
    if (a->ready)
        a->ready(a->op.data);
    if (c->attach == a)
        flow_settle(c);
}

struct engine_op *embedded_container_attach(struct engine *engine, const char *name,
                                            void (*ready)(void *data), engine_output_fn output,
                                            engine_done_fn done, void *data)
{
    static const struct task_class class = {.complete = attach_complete, .detach = attach_detach};
    struct container *c = container_by_name((struct embedded *)engine, name);
    struct attach_op *a = task_new(engine, &class, sizeof(*a), NSEC_INFINITY, data);
    a->ready = ready;
    a->output = output;
    a->done = done;
    if (!c || c->attach) {
        task_settle(&a->op, c ? ENGINE_CONFLICT : ENGINE_NOT_FOUND, NULL);
        return &a->op;
    }
    a->container = c;
    c->attach = a;
    loop_timer_arm(engine->loop, &a->op.timer, 1, say_ready, a);
    return &a->op;
}

/* --- events ---------------------------------------------------------------------------------- */

struct events_op {
    struct engine_op op;
    char *run;
    void (*ready)(void *data);
    engine_event_fn event;
    engine_done_fn done;
};

static void events_complete(struct engine_op *op, enum engine_outcome outcome,
                            const struct error *err)
{
    ((struct events_op *)op)->done(op->data, outcome, err);
}

static void events_release(struct engine_op *op)
{
    free(((struct events_op *)op)->run);
}

static const struct task_class events_class = {.complete = events_complete,
                                               .release = events_release};

/* A callback may end any op, this one too: so which of them hear it is noted first. */
void container_tell(struct container *c, int kind)
{
    struct embedded *e = c->world->engine;
    VEC(struct events_op *) hearers = {0};
    for (struct engine_op *op = e->ops; op; op = op->next)
        if (op->class == &events_class && !op->cancelled &&
            strcmp(((struct events_op *)op)->run, c->world->trace.run) == 0)
            *vec_push(&hearers) = (struct events_op *)op;
    struct engine_event event = {.name = c->name, .exit_code = c->exit_code};
    event.kind = kind;
    for (size_t i = 0; i < hearers.len; i++)
        if (!hearers.items[i]->op.cancelled)
            hearers.items[i]->event(hearers.items[i]->op.data, &event);
    vec_deinit(&hearers);
}

static void events_ready(void *data)
{
    struct events_op *s = data;
    if (!s->op.cancelled && s->ready)
        s->ready(s->op.data);
}

struct engine_op *embedded_container_events(struct engine *engine, const char *run,
                                            void (*ready)(void *data), engine_event_fn event,
                                            engine_done_fn done, void *data)
{
    struct events_op *s = task_new(engine, &events_class, sizeof(*s), NSEC_INFINITY, data);
    s->run = xstrdup(run);
    s->ready = ready;
    s->event = event;
    s->done = done;
    loop_timer_arm(engine->loop, &s->op.timer, 1, events_ready, s);
    return &s->op;
}

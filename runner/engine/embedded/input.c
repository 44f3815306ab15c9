/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes into a container: a pipe, or a terminal's other end, which is its output too.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

#include <cleanroom/log.h>

#include "engine/embedded/done.h"
#include "engine/embedded/flow.h"
#include "engine/embedded/passing.h"

struct input_op {
    struct engine_op op;
    engine_done_fn done;
    struct container *container; /* as long as it is to be written to */
    char *bytes;
    size_t len, at;
};

static struct loop *loop_of(const struct container *c)
{
    return c->world->engine->engine.loop;
}

int input_open(struct container *c)
{
    int ends[2];
    int made = c->terminal ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)
                           : pipe2(ends, O_CLOEXEC);
    if (made < 0)
        return -1;
    (void)fcntl(ends[1], F_SETFL, O_NONBLOCK);
    c->in = ends[1];
    return ends[0];
}

void input_begin(struct container *c)
{
    if (!c->terminal)
        return;
    int terminal = passing_receive(c->in);
    close(TAKE_FD(c->in));
    for (int i = 0; i < 2; i++)
        close(TAKE_FD(c->out[i]));
    if (terminal < 0) {
        log_warning("%s: the runtime has not sent its terminal: %s", c->name, strerror(errno));
        return;
    }
    (void)fcntl(terminal, F_SETFL, O_NONBLOCK);
    c->out[0] = terminal;
    c->in = fcntl(terminal, F_DUPFD_CLOEXEC, 3);
}

/* --- the operation --------------------------------------------------------------------------- */

static void complete(struct engine_op *op, enum engine_outcome outcome, const struct error *err)
{
    ((struct input_op *)op)->done(op->data, outcome, err);
}

static void detach(struct engine_op *op)
{
    struct input_op *i = (struct input_op *)op;
    if (!i->container)
        return;
    loop_unwatch(loop_of(i->container), i->container->in);
    i->container->input = NULL;
}

static void release(struct engine_op *op)
{
    free(((struct input_op *)op)->bytes);
}

void input_end(struct container *c)
{
    struct input_op *i = c->input;
    if (i) {
        loop_unwatch(loop_of(c), c->in);
        c->input = NULL;
        i->container = NULL;
        task_settle(&i->op, ENGINE_CONFLICT, NULL);
    }
    if (c->in >= 0)
        close(TAKE_FD(c->in));
}

static void on_writable(void *data, int fd, short revents)
{
    struct input_op *i = data;
    (void)revents;
    ssize_t n = write(fd, i->bytes + i->at, i->len - i->at);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        input_end(i->container);
        return;
    }
    i->at += (size_t)n;
    if (i->at == i->len)
        task_finish(&i->op, ENGINE_OK, NULL);
}

static enum engine_outcome begin(struct input_op *i, struct container *c, const void *bytes,
                                 size_t len)
{
    if (!c)
        return ENGINE_NOT_FOUND;
    if (c->phase != PHASE_RUNNING || c->in < 0 || c->input)
        return ENGINE_CONFLICT;
    if (len == 0) {
        if (!c->terminal)
            input_end(c);
        return ENGINE_OK;
    }
    i->bytes = xmemdup(bytes, len);
    i->len = len;
    i->container = c;
    c->input = i;
    loop_watch(loop_of(c), c->in, POLLOUT, on_writable, i);
    return ENGINE_OK;
}

struct engine_op *embedded_container_input(struct engine *engine, const char *name,
                                           const void *bytes, size_t len, engine_done_fn done,
                                           void *data)
{
    static const struct task_class class = {
        .complete = complete, .detach = detach, .release = release};
    struct input_op *i = task_new(engine, &class, sizeof(*i), NSEC_INFINITY, data);
    i->done = done;
    enum engine_outcome outcome = begin(i, container_by_name((struct embedded *)engine, name),
                                        bytes, len);
    if (!i->container)
        task_settle(&i->op, outcome, NULL);
    return &i->op;
}

struct engine_op *embedded_container_resize(struct engine *engine, const char *name,
                                            struct terminal_size size, nsec_t deadline,
                                            engine_done_fn done, void *data)
{
    const struct container *c = container_by_name((struct embedded *)engine, name);
    struct winsize to = {.ws_row = size.rows, .ws_col = size.columns};
    struct done_op *op = done_new(engine, deadline, done, data);
    bool there = c && c->terminal && c->in >= 0 && c->phase == PHASE_RUNNING;
    if (there && ioctl(c->in, TIOCSWINSZ, &to) < 0)
        there = false;
    task_settle(&op->op, there ? ENGINE_OK : c ? ENGINE_CONFLICT : ENGINE_NOT_FOUND, NULL);
    return &op->op;
}

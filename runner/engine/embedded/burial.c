/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a world that is not ours: its keeper is killed, if it lives, and its traces removed.
 */
#include "engine/embedded/burial.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

#include "engine/embedded/done.h"

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
        (void)image_drop_stored(e->store, b->trace.images.items[i], NULL);
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

struct engine_op *burial_begin(struct engine *engine, const char *run, nsec_t deadline,
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

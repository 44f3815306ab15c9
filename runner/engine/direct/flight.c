/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/direct/flight.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/embedded/pack.h"

static void unknow(struct engine_op *op)
{
    if (op->known_at)
        *op->known_at = NULL;
    op->known_at = NULL;
}

static void end_archive(struct engine_op *op)
{
    if (op->fd < 0)
        return;
    loop_unwatch(op->flight->engine->loop, op->fd);
    close(TAKE_FD(op->fd));
    (void)kill(op->child, SIGKILL);
    (void)waitpid(op->child, NULL, 0);
}

static void op_free(struct engine_op *op)
{
    unknow(op);
    loop_timer_disarm(op->flight->engine->loop, &op->timer);
    end_archive(op);
    error_clear(&op->failure);
    free(op->name);
    free(op);
}

static void op_drop(struct engine_op *op)
{
    struct flight *flight = op->flight;
    for (size_t i = 0; i < flight->ops.len; i++)
        if (flight->ops.items[i] == op)
            flight->ops.items[i] = flight->ops.items[--flight->ops.len];
    op_free(op);
}

static void op_finish(void *data)
{
    struct engine_op *op = data;
    if (op->ready && !op->is_ready && !op->settled) {
        op->is_ready = true;
        op->ready(op->data);
        return;
    }
    if (!op->settled) {
        op->outcome = ENGINE_FAILED;
        error_set(&op->failure, ERROR_TIMEOUT, "'%s' took too long", op->name);
    }
    const struct error *err = error_is_set(&op->failure) ? &op->failure : NULL;
    if (op->state)
        op->state(op->data, op->outcome, op->outcome == ENGINE_OK ? &op->found : NULL, err);
    else if (op->exited)
        op->exited(op->data, op->outcome, 0, "", err);
    else if (op->image)
        op->image(op->data, op->outcome, NULL, err);
    else
        op->done(op->data, op->outcome, err);
    op_drop(op);
}

struct engine_op *flight_begin(struct flight *flight, const char *name, nsec_t deadline, void *data)
{
    struct engine_op *op = xcalloc(1, sizeof(*op));
    *op = (struct engine_op){.flight = flight, .name = xstrdup(name), .data = data, .fd = -1};
    *vec_push(&flight->ops) = op;
    flight->engine->requests++;
    if (deadline != NSEC_INFINITY)
        loop_timer_arm(flight->engine->loop, &op->timer, deadline, op_finish, op);
    return op;
}

void flight_soon_ready(struct engine_op *op)
{
    loop_timer_arm(op->flight->engine->loop, &op->timer, 1, op_finish, op);
}

void flight_settle(struct engine_op *op, enum engine_outcome outcome, struct error *err)
{
    unknow(op);
    op->settled = true;
    op->outcome = outcome;
    if (err)
        error_move(&op->failure, err);
    loop_timer_arm(op->flight->engine->loop, &op->timer, 1, op_finish, op);
}

struct engine_op *flight_known(struct flight *flight, const char *name, enum engine_outcome outcome,
                               struct error *err, engine_done_fn done, void *data)
{
    struct engine_op *op = flight_begin(flight, name, NSEC_INFINITY, data);
    op->done = done;
    flight_settle(op, outcome, err);
    return op;
}

struct engine_op *flight_impossible(struct flight *flight, const char *name, void *data)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct engine_op *op = flight_begin(flight, name, NSEC_INFINITY, data);
    error_set(&err, ERROR_INTERNAL, "'%s' is a program of this machine, not a container", name);
    flight_settle(op, ENGINE_FAILED, &err);
    return op;
}

bool flight_cancel(struct flight *flight, struct engine_op *op)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    size_t i = 0;
    while (i < flight->ops.len && flight->ops.items[i] != op)
        i++;
    if (i == flight->ops.len)
        return false;
    end_archive(op);
    error_set(&err, ERROR_CANCELLED, "cancelled");
    error_clear(&op->failure);
    flight_settle(op, ENGINE_CANCELLED, &err);
    return true;
}

void flight_deinit(struct flight *flight)
{
    for (size_t i = 0; i < flight->ops.len; i++)
        op_free(flight->ops.items[i]);
    vec_deinit(&flight->ops);
}

/* --- archives -------------------------------------------------------------------------------- */

static _Noreturn void be_packer(const char *path, int fd)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    (void)signal(SIGPIPE, SIG_IGN);
    _exit(pack(path, fd, &err) == ENGINE_OK ? 0 : 1);
}

static void on_packed(void *data, int fd, short revents)
{
    struct engine_op *op = data;
    char chunk[65536];
    int status = 0;
    (void)revents;
    ssize_t n = read(fd, chunk, sizeof(chunk));
    if (n > 0) {
        op->bytes(op->data, chunk, (size_t)n);
        return;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    loop_unwatch(op->flight->engine->loop, fd);
    close(TAKE_FD(op->fd));
    (void)waitpid(op->child, &status, 0);
    _cleanup_error_ struct error err = ERROR_INIT;
    if (status)
        error_set(&err, ERROR_ENGINE, "what '%s' left could not be read", op->name);
    flight_settle(op, status ? ENGINE_FAILED : ENGINE_OK, &err);
}

struct engine_op *flight_archive(struct flight *flight, const char *name, const char *path,
                                 nsec_t deadline, engine_bytes_fn bytes, engine_done_fn done,
                                 void *data)
{
    int ends[2];
    _cleanup_error_ struct error err = ERROR_INIT;
    pack_prepare();
    pid_t child = pipe2(ends, O_CLOEXEC) < 0 ? -2 : fork();
    if (child == 0)
        be_packer(path, ends[1]);
    if (child < 0) {
        error_set_errno(&err, ERROR_INTERNAL, errno, "no process that reads what '%s' left", name);
        for (int i = 0; child == -1 && i < 2; i++)
            close(ends[i]);
        return flight_known(flight, name, ENGINE_FAILED, &err, done, data);
    }
    close(ends[1]);
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    struct engine_op *op = flight_begin(flight, name, deadline, data);
    op->done = done;
    op->bytes = bytes;
    op->fd = ends[0];
    op->child = child;
    loop_watch(flight->engine->loop, op->fd, POLLIN, on_packed, op);
    return op;
}

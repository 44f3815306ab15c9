/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's files, out and in: a pipe between the loop and a child of the keeper.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "engine/embedded/state.h"

#define CHUNK 65536

struct files_op {
    struct engine_op op;
    engine_bytes_fn bytes;
    engine_done_fn done;
    struct world *world;
    int fd; /* our end of the pipe */
    const char *tar;
    size_t left;
    bool answered;
    struct answer answer;
};

static void complete(struct engine_op *op, enum engine_outcome outcome, const struct error *err)
{
    ((struct files_op *)op)->done(op->data, outcome, err);
}

static void close_pipe(struct files_op *f)
{
    if (f->fd < 0)
        return;
    loop_unwatch(f->op.engine->engine.loop, f->fd);
    close(TAKE_FD(f->fd));
}

static void detach(struct engine_op *op)
{
    struct files_op *f = (struct files_op *)op;
    close_pipe(f);
    if (f->world)
        world_forget(f->world, op);
}

static void release(struct engine_op *op)
{
    answer_deinit(&((struct files_op *)op)->answer);
}

static struct files_op *files_new(struct engine *engine, nsec_t deadline, engine_done_fn done,
                                  void *data)
{
    static const struct task_class class = {
        .complete = complete, .detach = detach, .release = release};
    struct files_op *f = task_new(engine, &class, sizeof(*f), deadline, data);
    f->done = done;
    f->fd = -1;
    return f;
}

/* All was read, and how it went is known. */
static void finish_if_complete(struct files_op *f)
{
    if (!f->answered || (f->fd >= 0 && f->bytes))
        return;
    _cleanup_error_ struct error err = ERROR_INIT;
    if (f->answer.outcome == ENGINE_FAILED)
        error_set(&err, (enum error_kind)f->answer.error_kind, "embedded: %s",
                  f->answer.text ? f->answer.text : "");
    task_finish(&f->op, (enum engine_outcome)f->answer.outcome, &err);
}

static void on_answer(struct world *w, struct call *call, const struct answer *a)
{
    struct files_op *f = (struct files_op *)call->op;
    (void)w;
    if (!f)
        return;
    f->answered = true;
    f->answer = *a;
    f->answer.text = xstrdup(a->text);
    finish_if_complete(f);
}

static void on_readable(void *data, int fd, short revents)
{
    struct files_op *f = data;
    char chunk[CHUNK];
    (void)revents;
    ssize_t n = read(fd, chunk, sizeof(chunk));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        if (!f->op.cancelled)
            f->bytes(f->op.data, chunk, (size_t)n);
        return;
    }
    close_pipe(f);
    finish_if_complete(f);
}

/* A reader that went away has said or will say why. */
static void on_writable(void *data, int fd, short revents)
{
    struct files_op *f = data;
    (void)revents;
    ssize_t n = write(fd, f->tar, f->left < CHUNK ? f->left : CHUNK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        f->tar += n;
        f->left -= (size_t)n;
    }
    if (n < 0 || f->left == 0)
        close_pipe(f);
}

static void begin(struct files_op *f, struct engine *engine, const char *name, const char *path)
{
    struct container *c = container_by_name((struct embedded *)engine, name);
    _cleanup_error_ struct error err = ERROR_INIT;
    int ends[2];
    if (!c || pipe2(ends, O_CLOEXEC) < 0) {
        error_set_errno(&err, ERROR_INTERNAL, errno, "no pipe for a container's files");
        task_settle(&f->op, c ? ENGINE_FAILED : ENGINE_NOT_FOUND, c ? &err : NULL);
        return;
    }
    int ours = f->bytes ? ends[0] : ends[1], theirs = f->bytes ? ends[1] : ends[0];
    (void)fcntl(ours, F_SETFL, O_NONBLOCK);
    f->fd = ours;
    f->world = c->world;
    struct request r = {.kind = f->bytes ? REQUEST_ARCHIVE : REQUEST_EXTRACT,
                        .object = c->id,
                        .path = xstrdup(path)};
    world_call(c->world, &r, &theirs, 1, &(struct call){.answered = on_answer, .op = &f->op});
    request_deinit(&r);
    if (f->bytes)
        loop_watch(engine->loop, ours, POLLIN, on_readable, f);
    else
        loop_watch(engine->loop, ours, POLLOUT, on_writable, f);
}

struct engine_op *embedded_container_archive(struct engine *engine, const char *name,
                                             const char *path, nsec_t deadline,
                                             engine_bytes_fn bytes, engine_done_fn done, void *data)
{
    struct files_op *f = files_new(engine, deadline, done, data);
    f->bytes = bytes;
    begin(f, engine, name, path);
    return &f->op;
}

struct engine_op *embedded_container_extract(struct engine *engine, const char *name,
                                             const char *path, const void *tar, size_t len,
                                             nsec_t deadline, engine_done_fn done, void *data)
{
    struct files_op *f = files_new(engine, deadline, done, data);
    f->tar = tar;
    f->left = len;
    begin(f, engine, name, path);
    return &f->op;
}

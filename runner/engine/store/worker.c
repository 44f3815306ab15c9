/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include <cleanroom/strbuf.h>

#include "engine/store/import.h"

#define LINE_MAX_BYTES ((size_t)64 << 10)

struct worker {
    struct loop *loop;
    pid_t pid;
    int pipe;
    struct strbuf pending;
    char *id; /* what it said in the end: the one or the other */
    struct error error;
    void (*progress)(void *data, uint64_t done, uint64_t total);
    worker_done_fn done;
    void *data;
};

static void worker_free(struct worker *worker)
{
    loop_unwatch(worker->loop, worker->pipe);
    close(worker->pipe);
    strbuf_deinit(&worker->pending);
    error_clear(&worker->error);
    free(worker->id);
    free(worker);
}

static int reap(const struct worker *worker)
{
    int status = 0;
    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

void worker_cancel(struct worker *worker)
{
    if (!worker)
        return;
    (void)kill(worker->pid, SIGKILL);
    (void)reap(worker);
    worker_free(worker);
}

static void on_line(struct worker *worker, const char *line)
{
    unsigned long long done, total;
    int kind, skip = 0;
    if (sscanf(line, "progress %llu %llu", &done, &total) == 2) {
        if (worker->progress)
            worker->progress(worker->data, done, total);
    } else if (strncmp(line, "id ", 3) == 0) {
        replace_str(&worker->id, line + 3);
    } else if (sscanf(line, "error %d %n", &kind, &skip) == 1 && skip > 0 && kind > ERROR_NONE &&
               kind <= ERROR_INTERNAL) {
        error_clear(&worker->error);
        error_set(&worker->error, (enum error_kind)kind, "%s", line + skip);
    }
}

static void finish(struct worker *worker)
{
    int status = reap(worker);
    if (!worker->id && !error_is_set(&worker->error)) {
        if (WIFSIGNALED(status))
            error_set(&worker->error, ERROR_INTERNAL, "the import was ended by signal %d",
                      WTERMSIG(status));
        else
            error_set(&worker->error, ERROR_INTERNAL, "the import ended with code %d",
                      WEXITSTATUS(status));
    }
    bool failed = error_is_set(&worker->error);
    worker->done(worker->data, failed ? NULL : worker->id, failed ? &worker->error : NULL);
    worker_free(worker);
}

static void on_readable(void *data, int fd, short revents _unused_)
{
    struct worker *worker = data;
    char chunk[4096];
    ssize_t n = read(fd, chunk, sizeof(chunk));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0 || strbuf_add(&worker->pending, chunk, (size_t)n) < 0) {
        finish(worker);
        return;
    }
    for (char *end; (end = memchr(worker->pending.buf, '\n', worker->pending.len));) {
        *end = '\0';
        on_line(worker, worker->pending.buf);
        strbuf_consume(&worker->pending, (size_t)(end + 1 - worker->pending.buf));
    }
}

/* A fork and no exec: the program is there already. */
static pid_t spawn(struct store *store, const struct strvec *words, int output)
{
    const struct import_job job = {
        .store = store_path(store), .limit = store_limit(store), .words = *words};
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        import_process(&job, parent, output);
    return pid;
}

struct worker *worker_begin(struct store *store, struct loop *loop, const struct strvec *words,
                            void (*progress)(void *data, uint64_t done, uint64_t total),
                            worker_done_fn done, void *data, struct error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        error_set_errno(err, ERROR_INTERNAL, errno, "could not begin an import");
        return NULL;
    }
    pid_t pid = spawn(store, words, ends[1]);
    int why = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        error_set_errno(err, ERROR_INTERNAL, why, "could not begin an import");
        return NULL;
    }
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    struct worker *worker = xcalloc(1, sizeof(*worker));
    *worker = (struct worker){.loop = loop,
                              .pid = pid,
                              .pipe = ends[0],
                              .progress = progress,
                              .done = done,
                              .data = data};
    strbuf_init(&worker->pending, LINE_MAX_BYTES);
    loop_watch(loop, worker->pipe, POLLIN, on_readable, worker);
    return worker;
}

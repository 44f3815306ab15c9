/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words run in a container: what main asks, and the keeper's child that has the runtime do it.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/embedded/done.h"
#include "engine/embedded/keep.h"
#include "engine/embedded/readonly.h"

/* --- main's ---------------------------------------------------------------------------------- */

struct exec_op {
    struct engine_op op;
    engine_exit_fn done;
    struct world *world;
    int code;
    const char *output; /* the answer's */
};

static void complete(struct engine_op *op, enum engine_outcome outcome, const struct error *err)
{
    struct exec_op *e = (struct exec_op *)op;
    e->done(op->data, outcome, e->code, e->output ? e->output : "", err);
}

static void detach(struct engine_op *op)
{
    struct exec_op *e = (struct exec_op *)op;
    if (e->world)
        world_forget(e->world, op);
}

static void on_answer(struct world *w, struct call *call, const struct answer *a)
{
    struct exec_op *e = (struct exec_op *)call->op;
    (void)w;
    if (!e)
        return;
    e->code = a->code;
    e->output = a->outcome == ENGINE_OK ? a->text : NULL;
    done_failed(&e->op, a, "embedded");
}

struct engine_op *embedded_container_exec(struct engine *engine, const char *name,
                                          const char *const *argv, nsec_t deadline,
                                          engine_exit_fn done, void *data)
{
    static const struct task_class class = {.complete = complete, .detach = detach};
    struct exec_op *e = task_new(engine, &class, sizeof(*e), deadline, data);
    struct container *c = container_by_name((struct embedded *)engine, name);
    e->done = done;
    if (!c || c->phase != PHASE_RUNNING) {
        task_settle(&e->op, c ? ENGINE_CONFLICT : ENGINE_NOT_FOUND, NULL);
        return &e->op;
    }
    struct request r = {.kind = REQUEST_EXEC, .object = c->id};
    for (; *argv; argv++)
        strvec_push(&r.entrypoint, *argv);
    e->world = c->world;
    world_call(c->world, &r, NULL, 0, &(struct call){.answered = on_answer, .op = &e->op});
    request_deinit(&r);
    return &e->op;
}

/* --- the keeper's child's -------------------------------------------------------------------- */

/* The container's own process with other words: its user, environment, directory and powers. */
static int write_process(struct keeper *k, const struct cell *c, const struct strvec *words,
                         const char *path)
{
    _cleanup_free_ char *bundle = keeper_path(k->dir, "c", c->id, "config.json");
    json_t *config = json_load_file(bundle, 0, NULL), *args = json_array();
    json_t *process = json_object_get(config, "process");
    for (size_t i = 0; i < words->len; i++)
        json_array_append_new(args, json_string(words->items[i]));
    int r = json_object_set_new(process, "args", args);
    if (r == 0)
        r = json_dump_file(process, path, JSON_COMPACT);
    json_decref(config);
    return r;
}

static _Noreturn void become_runtime(const struct keeper *k, const struct cell *c,
                                     char *const *argv, int output)
{
    static const char *const env[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    for (size_t i = 0; i < c->procs.len; i++) {
        int fd = open(c->procs.items[i], O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "0", 1) < 0)
            _exit(125);
    }
    readonly_enter(&k->forbidden);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (dup2(null, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 &&
        dup2(output, STDERR_FILENO) >= 0) {
        (void)execveat(k->runtime, "", argv, (char *const *)env, AT_EMPTY_PATH);
        execve(argv[0], argv, (char *const *)env);
    }
    _exit(126);
}

/* Reads what there is; false: nothing more comes. */
static bool read_output(int fd, struct strbuf *output)
{
    char chunk[4096];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0)
        strbuf_add_tail(output, chunk, (size_t)n, EXEC_OUTPUT_MAX);
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Until they have ended. What they leave running in the background may hold their output open. */
static int follow(pid_t pid, int fd, struct strbuf *output)
{
    _cleanup_close_ int end = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd polled[] = {{.fd = end, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    int status = 0;
    while (end >= 0 && !polled[0].revents)
        if (poll(polled, ARRAY_SIZE(polled), -1) > 0 && !read_output(fd, output))
            polled[1].fd = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    (void)read_output(fd, output);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static enum engine_outcome run(struct keeper *k, const struct cell *c, const struct strvec *words,
                               int *code, struct strbuf *output, struct error *err)
{
    _cleanup_strvec_ struct strvec argv = STRVEC_INIT;
    _cleanup_free_ char *process = keeper_path(k->dir, "c", c->id, "exec.json");
    int ends[2];
    if (write_process(k, c, words, process) < 0) {
        error_set(err, ERROR_INTERNAL, "words for the container could not be written");
        return ENGINE_FAILED;
    }
    strvec_push(&argv, k->options->runtime);
    strvec_pushf(&argv, "--root=%s/s", k->dir);
    strvec_push(&argv, k->crun ? "--cgroup-manager=disabled" : "--rootless=true");
    strvec_push(&argv, "exec");
    strvec_pushf(&argv, "--process=%s", process);
    strvec_pushf(&argv, "%u", c->id);
    pid_t pid = pipe2(ends, O_CLOEXEC) < 0 ? -1 : fork();
    if (pid == 0)
        become_runtime(k, c, argv.items, ends[1]);
    if (pid < 0) {
        error_set_errno(err, ERROR_INTERNAL, errno, "no process for it");
        return ENGINE_FAILED; /* and we end */
    }
    close(ends[1]);
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    *code = follow(pid, ends[0], output);
    return ENGINE_OK;
}

void job_exec(struct keeper *k, const struct request *r, struct cell *cell)
{
    int report;
    if (cell->phase != CELL_RUNNING) {
        keeper_answer(k, r->number, ENGINE_CONFLICT, NULL);
        return;
    }
    if (job_begin(k, r->number, cell, &report) == 0) {
        _cleanup_error_ struct error err = ERROR_INIT;
        _cleanup_strbuf_ struct strbuf output = STRBUF_INIT;
        struct answer a = {0};
        a.outcome = (int)run(k, cell, &r->entrypoint, &a.code, &output, &err);
        a.text = output.buf;
        job_say(report, &a, &err);
    }
}

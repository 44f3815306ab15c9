/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words run in a container: what main asks, and the keeper's child that has the runtime do it.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/wait.h>

#include "engine/embedded/done.h"
#include "engine/embedded/keep.h"
#include "engine/embedded/readonly.h"

/* --- main's ---------------------------------------------------------------------------------- */

struct exec_op {
    struct engine_op op;
    engine_exit_fn done;
    struct world *world;
    int code;
};

static void complete(struct engine_op *op, enum engine_outcome outcome, const struct error *err)
{
    struct exec_op *e = (struct exec_op *)op;
    e->done(op->data, outcome, e->code, err);
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
                                     char *const *argv)
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
    if (dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0 &&
        dup2(null, STDERR_FILENO) >= 0) {
        (void)execveat(k->runtime, "", argv, (char *const *)env, AT_EMPTY_PATH);
        execve(argv[0], argv, (char *const *)env);
    }
    _exit(126);
}

static enum engine_outcome run(struct keeper *k, const struct cell *c, const struct strvec *words,
                               int *code, struct error *err)
{
    _cleanup_strvec_ struct strvec argv = STRVEC_INIT;
    _cleanup_free_ char *process = keeper_path(k->dir, "c", c->id, "exec.json");
    int status = 0;
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
    pid_t pid = fork();
    if (pid == 0)
        become_runtime(k, c, argv.items);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (pid < 0) {
        error_set_errno(err, ERROR_INTERNAL, errno, "no process for it");
        return ENGINE_FAILED;
    }
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
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
        struct answer a = {0};
        a.outcome = (int)run(k, cell, &r->entrypoint, &a.code, &err);
        job_say(report, &a, &err);
    }
}

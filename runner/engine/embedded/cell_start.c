/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's start by the runtime, and its end.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "engine/embedded/keep.h"
#include "engine/embedded/readonly.h"

static void runtime_arguments(struct keeper *k, const struct cell *c, struct strvec *argv)
{
    const char *runtime = k->options->runtime;
    strvec_push(argv, runtime);
    strvec_pushf(argv, "--root=%s/s", k->dir);
    strvec_pushf(argv, "--log=%s/c/%u/log", k->dir, c->id);
    strvec_push(argv, k->crun ? "--cgroup-manager=disabled" : "--rootless=true");
    strvec_push(argv, "run");
    strvec_push(argv, "--detach");
    strvec_push(argv, "--no-new-keyring");
    strvec_pushf(argv, "--bundle=%s/c/%u", k->dir, c->id);
    strvec_pushf(argv, "--pid-file=%s/c/%u/pid", k->dir, c->id);
    strvec_pushf(argv, "%u", c->id);
}

/* Between vfork and exec, on our memory: system calls only. */
static void become_runtime(const struct keeper *k, const struct cell *c, char *const *argv,
                           char *const *env)
{
    sigset_t none;
    sigemptyset(&none);
    for (size_t i = 0; i < c->procs.len; i++) {
        int fd = open(c->procs.items[i], O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "0", 1) < 0)
            _exit(125);
    }
    readonly_enter(&k->forbidden);
    if (dup2(c->out[0], STDOUT_FILENO) >= 0 && dup2(c->out[1], STDERR_FILENO) >= 0 &&
        sigprocmask(SIG_SETMASK, &none, NULL) == 0) {
        (void)execveat(k->runtime, "", argv, env, AT_EMPTY_PATH);
        execve(argv[0], argv, env);
    }
    _exit(126);
}

void cell_start(struct keeper *k, uint32_t number, struct cell *c)
{
    static const char *const env[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_strvec_ struct strvec argv = STRVEC_INIT;
    if (c->phase != CELL_MADE || c->remove_number) {
        keeper_answer(k, number, ENGINE_CONFLICT, NULL);
        return;
    }
    runtime_arguments(k, c, &argv);
    /* We are big and the runtime replaces us at once: nothing is to be copied for it. */
    /* NOLINTBEGIN(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork) */
    pid_t pid = vfork();
    if (pid == 0)
        become_runtime(k, c, argv.items, (char *const *)env);
    /* NOLINTEND(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork) */
    cell_close_output(c);
    if (pid < 0) {
        c->phase = CELL_ENDED;
        error_set_errno(&err, ERROR_INTERNAL, errno, "no process for '%s'", argv.items[0]);
        keeper_answer(k, number, ENGINE_FAILED, &err);
        return;
    }
    c->phase = CELL_STARTING;
    c->runtime = pid;
    c->start_number = number;
}

static pid_t read_pid(struct keeper *k, const struct cell *c)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_free_ char *path = keeper_path(k->dir, "c", c->id, "pid");
    if (strbuf_read_file(&text, path, 32) < 0)
        return 0;
    return (pid_t)strtol(text.buf, NULL, 10);
}

/* What the runtime wrote into its log: the last message alone. crun writes it as it is, runc as
   time="..." level=error msg="..." with quotes escaped. */
static char *runtime_words(struct keeper *k, const struct cell *c)
{
    _cleanup_strbuf_ struct strbuf log = STRBUF_INIT, words = STRBUF_INIT;
    _cleanup_strvec_ struct strvec lines = STRVEC_INIT;
    _cleanup_free_ char *path = keeper_path(k->dir, "c", c->id, "log");
    if (strbuf_read_file(&log, path, 1 << 16) == 0)
        strvec_split(&lines, log.buf, "\n");
    if (lines.len == 0)
        return xstrdup("the runtime did not say why");

    const char *text = lines.items[lines.len - 1], *msg = strstr(text, "msg=\"");
    if (msg)
        text = msg + 5;
    for (; *text && !(msg && *text == '"'); text++) {
        if (msg && *text == '\\' && text[1])
            text++;
        strbuf_addc(&words, isprint((unsigned char)*text) ? *text : ' ');
    }
    return strbuf_detach(&words);
}

/* As Docker numbers them. */
static int failed_code(const char *words)
{
    if (strcasestr(words, "no such file") || strcasestr(words, "not found"))
        return 127;
    return strcasestr(words, "permission denied") ? 126 : 128;
}

static void start_failed(struct keeper *k, struct cell *c, int code)
{
    _cleanup_free_ char *words = code == 125 ? xstrdup("its control groups could not be joined")
                                             : runtime_words(k, c);
    if (code == 126 && access(k->options->runtime, X_OK) < 0)
        replace_str(&words, "the runtime is gone");
    _cleanup_free_ char *text = xasprintf("it could not be started: %s", words);
    struct answer a = {.kind = ANSWER_DONE,
                       .number = c->start_number,
                       .outcome = ENGINE_FAILED,
                       .error_kind = ERROR_SERVICE,
                       .text = text,
                       .code = failed_code(words)};
    c->phase = CELL_ENDED;
    keeper_tell(k, &a);
}

static void init_ended(struct keeper *k, struct cell *c, int code)
{
    _cleanup_free_ char *group = xasprintf("%u", c->id);
    struct answer a = {.kind = ANSWER_DIED,
                       .object = c->id,
                       .code = code,
                       .oom = c->limited && cgroup_oom(k->options->cgroups, group)};
    c->phase = CELL_ENDED;
    c->init = 0;
    keeper_tell(k, &a);
}

static bool take_stray(struct keeper *k, pid_t pid, int *code)
{
    for (size_t i = 0; i < k->strays.len; i++) {
        if (k->strays.items[i].pid != pid)
            continue;
        *code = k->strays.items[i].code;
        k->strays.items[i] = k->strays.items[--k->strays.len];
        return true;
    }
    return false;
}

static void forget_strays(struct keeper *k)
{
    for (size_t i = 0; i < k->cells.len; i++)
        if (k->cells.items[i]->phase == CELL_STARTING)
            return;
    k->strays.len = 0;
}

static void runtime_ended(struct keeper *k, struct cell *c, int code)
{
    pid_t init = read_pid(k, c);
    int init_code;
    if (code != 0 || init <= 0) {
        if (init > 0)
            (void)kill(init, SIGKILL);
        start_failed(k, c, code);
    } else {
        c->phase = CELL_RUNNING;
        c->init = init;
        keeper_answer(k, c->start_number, ENGINE_OK, NULL);
        if (take_stray(k, init, &init_code))
            init_ended(k, c, init_code);
        else if (c->remove_number)
            (void)kill(init, SIGKILL);
    }
    forget_strays(k);
    if (c->remove_number && c->phase == CELL_ENDED)
        cell_finish_removal(k, c);
}

bool cell_reaped(struct keeper *k, pid_t pid, int code)
{
    bool starting = false;
    for (size_t i = 0; i < k->cells.len; i++) {
        struct cell *c = k->cells.items[i];
        if (c->phase == CELL_STARTING && c->runtime == pid) {
            runtime_ended(k, c, code);
            return true;
        }
        if (c->phase == CELL_RUNNING && c->init == pid) {
            init_ended(k, c, code);
            if (c->remove_number)
                cell_finish_removal(k, c);
            return true;
        }
        starting |= c->phase == CELL_STARTING;
    }
    for (size_t i = 0; i < k->jobs.len; i++)
        starting &= k->jobs.items[i].pid != pid;
    if (starting)
        *vec_push(&k->strays) = (struct stray){pid, code};
    return starting;
}

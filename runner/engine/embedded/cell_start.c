/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's start, by the runtime but for our own program, and its end.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "engine/embedded/keep.h"
#include "engine/embedded/own.h"
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
    if (c->console >= 0) {
        _cleanup_free_ char *console = console_path(k, c);
        strvec_pushf(argv, "--console-socket=%s", console);
    }
    strvec_pushf(argv, "%u", c->id);
}

int cell_join_groups(const struct cell *c)
{
    for (size_t i = 0; i < c->procs.len; i++) {
        int fd = open(c->procs.items[i], O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "0", 1) < 0)
            return -1;
        close(fd);
    }
    return 0;
}

/* Between vfork and exec, on our memory: system calls only. */
static void become_runtime(const struct keeper *k, const struct cell *c, char *const *argv,
                           char *const *env)
{
    sigset_t none;
    sigemptyset(&none);
    if (cell_join_groups(c) < 0)
        _exit(125);
    readonly_enter(&k->forbidden);
    if (c->in >= 0 && c->console < 0 && dup2(c->in, STDIN_FILENO) < 0)
        _exit(126);
    if (dup2(c->out[0], STDOUT_FILENO) >= 0 && dup2(c->out[1], STDERR_FILENO) >= 0 &&
        sigprocmask(SIG_SETMASK, &none, NULL) == 0) {
        (void)execveat(k->runtime, "", argv, env, AT_EMPTY_PATH);
        execve(argv[0], argv, env);
    }
    _exit(126);
}

static void answer_failed(struct keeper *k, struct cell *c, enum error_kind kind, const char *words,
                          int code)
{
    _cleanup_free_ char *text = xasprintf("it could not be started: %s", words);
    struct answer a = {.kind = ANSWER_DONE,
                       .number = c->start_number,
                       .outcome = ENGINE_FAILED,
                       .error_kind = (int)kind,
                       .text = text,
                       .code = code};
    c->phase = CELL_ENDED;
    keeper_tell(k, &a);
}

static void start_own(struct keeper *k, struct cell *c)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    pid_t pid = own_start(k, c, &err);
    cell_close_streams(c);
    own_close_handed(c);
    if (pid < 0) {
        answer_failed(k, c, ERROR_ENGINE, err.message, 128);
        return;
    }
    c->phase = CELL_RUNNING;
    c->init = pid;
    keeper_answer(k, c->start_number, ENGINE_OK, NULL);
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
    c->start_number = number;
    if (c->ours) {
        start_own(k, c);
        return;
    }
    runtime_arguments(k, c, &argv);
    /* We are big and the runtime replaces us at once: nothing is to be copied for it. */
    /* NOLINTBEGIN(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork) */
    pid_t pid = vfork();
    if (pid == 0)
        become_runtime(k, c, argv.items, (char *const *)env);
    /* NOLINTEND(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork) */
    if (c->console < 0 || pid < 0)
        cell_close_streams(c);
    if (pid < 0) {
        c->phase = CELL_ENDED;
        error_set_errno(&err, ERROR_INTERNAL, errno, "no process for '%s'", argv.items[0]);
        keeper_answer(k, number, ENGINE_FAILED, &err);
        return;
    }
    c->phase = CELL_STARTING;
    c->runtime = pid;
}

/* A child that it makes after we have looked waits for its word, hears that it is gone, and ends.
 */
void cell_stop_runtime(const struct cell *c)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_strvec_ struct strvec pids = STRVEC_INIT;
    _cleanup_free_ char *path = xasprintf("/proc/%d/task/%d/children", (int)c->runtime,
                                          (int)c->runtime);
    if (strbuf_read_file(&text, path, 4096) == 0)
        strvec_split(&pids, text.buf, " \n");
    for (size_t i = 0; i < pids.len; i++)
        (void)kill((pid_t)strtol(pids.items[i], NULL, 10), SIGKILL);
    (void)kill(c->runtime, SIGKILL);
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
    if (c->remove_number)
        replace_str(&words, "it was removed meanwhile");
    answer_failed(k, c, ERROR_SERVICE, words, failed_code(words));
}

/* A runtime that does not know how we give it the filter starts containers without: nothing that
   runs may be without. */
static void start_unfiltered(struct keeper *k, struct cell *c)
{
    _cleanup_free_ char *words = xasprintf(
        "'%s' did not apply the seccomp filter: crun 0.18 or newer is needed, built with "
        "seccomp",
        k->options->runtime);
    answer_failed(k, c, ERROR_ENGINE, words, 128);
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

static bool take_stray(struct keeper *k, pid_t pid, struct stray *stray)
{
    for (size_t i = 0; i < k->strays.len; i++) {
        if (k->strays.items[i].pid != pid)
            continue;
        *stray = k->strays.items[i];
        k->strays.items[i] = k->strays.items[--k->strays.len];
        return true;
    }
    return false;
}

/* Whether a process, which may have ended, has a seccomp filter. */
static bool is_filtered(pid_t pid)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_free_ char *path = xasprintf("/proc/%d/status", (int)pid);
    return strbuf_read_file(&text, path, 1 << 14) == 0 && strstr(text.buf, "\nSeccomp:\t2\n");
}

static bool any_starting(const struct keeper *k)
{
    for (size_t i = 0; i < k->cells.len; i++)
        if (k->cells.items[i]->phase == CELL_STARTING)
            return true;
    return false;
}

static void runtime_ended(struct keeper *k, struct cell *c, int code)
{
    struct stray stray = {0};
    pid_t init = read_pid(k, c);
    bool ended = take_stray(k, init, &stray), started = code == 0 && init > 0;
    bool filtered = ended ? stray.filtered : started && is_filtered(init);
    if (init > 0 && !ended && (!started || !filtered))
        (void)kill(init, SIGKILL);
    if (!started) {
        start_failed(k, c, code);
    } else if (!filtered) {
        start_unfiltered(k, c);
    } else {
        c->phase = CELL_RUNNING;
        c->init = init;
        if (c->console >= 0)
            console_forward(c);
        keeper_answer(k, c->start_number, ENGINE_OK, NULL);
        if (ended)
            init_ended(k, c, stray.code);
        else if (c->remove_number)
            (void)kill(init, SIGKILL);
    }
    cell_close_streams(c);
    if (!any_starting(k))
        k->strays.len = 0;
    if (c->remove_number && c->phase == CELL_ENDED)
        cell_finish_removal(k, c);
}

bool cell_had_filter(const struct keeper *k, pid_t pid)
{
    return any_starting(k) && is_filtered(pid);
}

void cell_reaped(struct keeper *k, pid_t pid, int code, bool filtered)
{
    for (size_t i = 0; i < k->cells.len; i++) {
        struct cell *c = k->cells.items[i];
        if (c->phase == CELL_STARTING && c->runtime == pid) {
            runtime_ended(k, c, code);
            return;
        }
        if (c->phase == CELL_RUNNING && c->init == pid) {
            init_ended(k, c, code);
            if (c->remove_number)
                cell_finish_removal(k, c);
            return;
        }
    }
    if (any_starting(k))
        *vec_push(&k->strays) = (struct stray){pid, code, filtered};
}

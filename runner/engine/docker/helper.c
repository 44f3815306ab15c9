/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/docker/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include <cleanroom/strbuf.h>

enum { OUTPUT_MAX_BYTES = 64 * 1024 };

struct helper {
    struct loop *loop;
    pid_t pid;
    int pidfd;
    int out; /* our end of its standard output, or -1 once that ended */
    struct strbuf output;
    struct loop_timer timer;
    helper_fn fn;
    void *data;
};

static void close_output(struct helper *helper)
{
    if (helper->out < 0)
        return;
    loop_unwatch(helper->loop, helper->out);
    close(helper->out);
    helper->out = -1;
}

static void helper_free(struct helper *helper)
{
    loop_timer_disarm(helper->loop, &helper->timer);
    close_output(helper);
    loop_unwatch(helper->loop, helper->pidfd);
    close(helper->pidfd);
    strbuf_deinit(&helper->output);
    free(helper);
}

static int reap(struct helper *helper)
{
    siginfo_t info = {0};
    while (waitid(P_PIDFD, (id_t)helper->pidfd, &info, WEXITED) < 0 && errno == EINTR)
        ;
    return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

void helper_cancel(struct helper *helper)
{
    if (!helper)
        return;
    (void)kill(helper->pid, SIGKILL);
    (void)reap(helper);
    helper_free(helper);
}

static void finish(struct helper *helper, int status)
{
    helper->fn(helper->data, status, helper->output.buf, helper->output.len);
    helper_free(helper);
}

static void on_deadline(void *data)
{
    struct helper *helper = data;
    (void)kill(helper->pid, SIGKILL);
    (void)reap(helper);
    finish(helper, HELPER_TIMEOUT);
}

/* What is over the limit is read and forgotten, so that the helper does not hang on a full pipe. */
static void drain(struct helper *helper)
{
    char chunk[4096];
    while (helper->out >= 0) {
        ssize_t n = read(helper->out, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            close_output(helper);
        else
            (void)strbuf_add(&helper->output, chunk, (size_t)n);
    }
}

static void on_output(void *data, int fd, short revents)
{
    (void)fd;
    (void)revents;
    drain(data);
}

/* Its end, not the end of its output: a grandchild may hold the pipe for ever. */
static void on_exit_of(void *data, int fd, short revents)
{
    (void)fd;
    (void)revents;
    struct helper *helper = data;
    int status = reap(helper);
    drain(helper);
    finish(helper, status);
}

static int spawn(const char *const *argv, int in, int out, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    /* We take our signals by descriptor, blocked; that is no concern of its. */
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int rc = posix_spawnp(pid, argv[0], &actions, &attr, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

/* The whole input fits into a pipe's buffer: it is written before there is a reader. */
static int input_pipe(const char *input)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -1;
    size_t len = strlen(input);
    ssize_t n = write(fds[1], input, len);
    close(fds[1]);
    if (n == (ssize_t)len)
        return fds[0];
    close(fds[0]);
    return -1;
}

static struct helper *adopt(struct loop *loop, pid_t pid, int out)
{
    struct helper *helper = xcalloc(1, sizeof(*helper));
    helper->loop = loop;
    helper->pid = pid;
    helper->pidfd = pidfd_open(pid, 0);
    helper->out = out;
    strbuf_init(&helper->output, OUTPUT_MAX_BYTES);
    return helper;
}

struct helper *helper_new(struct loop *loop, const char *const *argv, const char *input,
                          nsec_t deadline, helper_fn fn, void *data, struct error *err)
{
    int fds[2];
    _cleanup_close_ int in = input_pipe(input);
    if (in < 0 || pipe2(fds, O_CLOEXEC) < 0) {
        error_set_errno(err, ERROR_INTERNAL, errno, "could not make a pipe");
        return NULL;
    }
    _cleanup_close_ int out = fds[0];
    _cleanup_close_ int out_theirs = fds[1];
    pid_t pid;
    int rc = spawn(argv, in, out_theirs, &pid);
    if (rc != 0) {
        error_set_errno(err, ERROR_ENGINE, rc, "could not run '%s'", argv[0]);
        return NULL;
    }

    (void)fcntl(out, F_SETFL, O_NONBLOCK);
    struct helper *helper = adopt(loop, pid, TAKE_FD(out));
    helper->fn = fn;
    helper->data = data;
    loop_watch(loop, helper->out, POLLIN, on_output, helper);
    loop_watch(loop, helper->pidfd, POLLIN, on_exit_of, helper);
    loop_timer_arm(loop, &helper->timer, deadline, on_deadline, helper);
    return helper;
}

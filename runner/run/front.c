/* SPDX-License-Identifier: Apache-2.0 */
#include "run/front.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/proctitle.h"

#define WORDS_MAX 2048 /* less than a pipe tears */

/* What the child says: all of it in one go. */
struct verdict {
    int code;
    enum error_kind kind;
    char message[WORDS_MAX];
};

/* What the terminal sends it sends to both of us. */
static void pass_on(int signals, pid_t child)
{
    struct signalfd_siginfo info;
    if (read(signals, &info, sizeof(info)) == sizeof(info) && info.ssi_code != SI_KERNEL)
        (void)kill(child, (int)info.ssi_signo);
}

static int await_child(pid_t child, struct error *err)
{
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    error_set(err, ERROR_INTERNAL, "the run was killed by signal %d", WTERMSIG(status));
    return 128 + WTERMSIG(status);
}

static int stand_in_front(int pipe, int signals, pid_t child, struct error *err)
{
    struct verdict v = {0};
    struct pollfd p[] = {{.fd = pipe, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    for (;;) {
        if (poll(p, ARRAY_SIZE(p), -1) < 0)
            continue;
        if (p[1].revents)
            pass_on(signals, child);
        if (!p[0].revents)
            continue;
        if (read(pipe, &v, sizeof(v)) != sizeof(v))
            return await_child(child, err);
        v.message[WORDS_MAX - 1] = '\0';
        if (*v.message)
            error_set(err, v.kind, "%s", v.message);
        return v.code;
    }
}

int front_divide(struct front *f, int *code, struct error *err)
{
    int ends[2];
    sigset_t ours, before;
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGHUP);
    f->pipe = -1;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "no pipe");
    (void)sigprocmask(SIG_BLOCK, &ours, &before);
    pid_t front = getpid(), child = fork();
    if (child == 0) {
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != front)
            _exit(128 + SIGTERM);
        close(ends[0]);
        f->pipe = ends[1];
        return 0;
    }
    close(ends[1]);
    if (child > 0) {
        _cleanup_close_ int signals = signalfd(-1, &ours, SFD_CLOEXEC);
        *code = stand_in_front(ends[0], signals, child, err);
    }
    close(ends[0]);
    return child < 0 ? error_set_errno(err, ERROR_INTERNAL, errno, "no process") : 1;
}

void front_leave(struct front *f, const char *title, int code, const struct error *err)
{
    struct verdict v = {.code = code, .kind = err->kind};
    if (err->message)
        (void)snprintf(v.message, sizeof(v.message), "%s", err->message);
    (void)prctl(PR_SET_PDEATHSIG, 0);
    (void)setsid();
    proctitle_disguise(title);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
        (void)dup2(null, fd);
    if (null >= 0)
        close(null);
    (void)file_write_all(f->pipe, &v, sizeof(v));
    close(TAKE_FD(f->pipe));
}

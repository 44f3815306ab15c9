/* SPDX-License-Identifier: Apache-2.0 */
#include "base/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cleanroom/mem.h>

static bool same(const struct termios *a, const struct termios *b)
{
    return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
           a->c_lflag == b->c_lflag;
}

/* In a session of its own nobody stops it for what it does to a terminal that is not its own.
   Whoever comes after us may have set the terminal as he wants it: then it stays. */
static _Noreturn void guard(const struct terminal *t, int end)
{
    sigset_t all;
    struct termios raw = t->before, now;
    cfmakeraw(&raw);
    char byte;
    sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    (void)setsid();
    int copy = fcntl(end, F_DUPFD, 3);
    (void)dup2(t->fd, STDIN_FILENO);
    (void)dup2(copy, STDOUT_FILENO);
    (void)close_range(STDERR_FILENO, ~0U, 0);
    while (read(STDOUT_FILENO, &byte, 1) < 0 && errno == EINTR)
        ;
    if (tcgetattr(STDIN_FILENO, &now) == 0 && same(&raw, &now))
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
    _exit(0);
}

static int begin_guard(struct terminal *t)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    t->guard = fork();
    if (t->guard == 0) {
        close(ends[1]);
        guard(t, ends[0]);
    }
    close(ends[0]);
    t->pipe = ends[1];
    if (t->guard > 0)
        return 0;
    int saved = errno;
    close(ends[1]);
    errno = saved;
    return -1;
}

static void end_guard(struct terminal *t)
{
    close(t->pipe);
    while (waitpid(t->guard, NULL, 0) < 0 && errno == EINTR)
        ;
}

int terminal_make_raw(struct terminal *t, int fd)
{
    *t = (struct terminal){.fd = fd};
    if (tcgetattr(fd, &t->before) < 0 || begin_guard(t) < 0)
        return -1;
    struct termios raw = t->before;
    cfmakeraw(&raw);
    if (tcsetattr(fd, TCSADRAIN, &raw) < 0) {
        int saved = errno;
        end_guard(t);
        errno = saved;
        return -1;
    }
    t->raw = true;
    return 0;
}

void terminal_restore(struct terminal *t)
{
    if (!t->raw)
        return;
    t->raw = false;
    (void)tcsetattr(t->fd, TCSADRAIN, &t->before);
    end_guard(t);
}

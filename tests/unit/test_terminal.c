/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/terminal.h"
#include "tap.h"

/* Keyboard and screen are `master`, and what we are given as a terminal the other end. */
static int open_terminal(int *master)
{
    *master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    check(*master >= 0 && grantpt(*master) == 0 && unlockpt(*master) == 0);
    return open(ptsname(*master), O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static tcflag_t modes(int fd)
{
    struct termios now;
    check_int(tcgetattr(fd, &now), 0);
    return now.c_lflag & (ICANON | ECHO | ISIG);
}

static void test_raw_and_back(void)
{
    int master, fd = open_terminal(&master);
    struct terminal t;
    tcflag_t before = modes(fd);
    check(before == (ICANON | ECHO | ISIG));
    check_int(terminal_make_raw(&t, fd), 0);
    check(modes(fd) == 0);
    char key = 0;
    check_int(write(master, "\x03", 1), 1);
    check_int(read(fd, &key, 1), 1); /* no signal, no line */
    check_int(key, 3);
    terminal_restore(&t);
    check(modes(fd) == before);
    terminal_restore(&t);
    check_int(waitpid(-1, NULL, WNOHANG), -1); /* and nobody stands guard any more */
    close(fd);
    close(master);
}

static void test_no_terminal_stays_what_it_is(void)
{
    struct terminal t, none = {0};
    int ends[2];
    check_int(pipe2(ends, O_CLOEXEC), 0);
    check_int(terminal_make_raw(&t, ends[0]), -1);
    terminal_restore(&t);
    terminal_restore(&none);
    close(ends[0]);
    close(ends[1]);
}

/* Makes it raw, as somebody may who is killed then, in a session whose terminal it is. then: what
   else was done to it, or NULL. */
static void die_raw(int fd, void (*then)(int fd))
{
    pid_t pid = fork();
    if (pid == 0) {
        struct terminal t;
        if (setsid() < 0 || terminal_make_raw(&t, fd) < 0)
            _exit(1);
        if (then)
            then(fd);
        (void)kill(getpid(), SIGKILL);
    }
    int status;
    check_int(waitpid(pid, &status, 0), pid);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    check(waitpid(-1, &status, 0) > 0); /* the guard, an orphan, is ours */
}

static void test_killed(void)
{
    int master, fd = open_terminal(&master);
    tcflag_t before = modes(fd);
    die_raw(fd, NULL);
    check(modes(fd) == before);
    close(fd);
    close(master);
}

static void set_without_echo(int fd)
{
    struct termios now;
    (void)tcgetattr(fd, &now);
    now.c_lflag |= ICANON;
    (void)tcsetattr(fd, TCSANOW, &now);
}

static void test_killed_and_somebody_was_faster(void)
{
    int master, fd = open_terminal(&master);
    die_raw(fd, set_without_echo);
    check(modes(fd) == ICANON);
    close(fd);
    close(master);
}

int main(void)
{
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    return tap_run((const struct tap_test[]){
        TAP(test_raw_and_back),
        TAP(test_no_terminal_stays_what_it_is),
        TAP(test_killed),
        TAP(test_killed_and_somebody_was_faster),
        {0},
    });
}

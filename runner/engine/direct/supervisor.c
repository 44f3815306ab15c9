/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/direct/supervisor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

#define KILL_PAUSE_MS   10
#define MARKED_PAUSE_MS 20
#define MARKED_ROUNDS   100
#define ENVIRON_MAX     (8 << 20)

/* Where the supervisors have what they need. */
enum { LIFELINE = 3, STATUS, FIRST_FREE };

#define PARENT_GONE SIGUSR1 /* perhaps */

/* --- whom to kill ---------------------------------------------------------------------------- */

struct process {
    pid_t pid, parent;
    bool ours;
};
struct processes {
    struct process *items;
    size_t len, cap;
};

static pid_t parent_of(pid_t pid)
{
    char path[64], text[512];
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    const char *behind = strrchr(text, ')'); /* of its name, which may be anything */
    int parent = 0;
    return behind && sscanf(behind, ") %*c %d", &parent) == 1 ? parent : 0;
}

static void list_processes(struct processes *all)
{
    DIR *proc = opendir("/proc");
    if (!proc)
        return;
    for (struct dirent *d; (d = readdir(proc));) {
        pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);
        if (pid > 1)
            *vec_push(all) = (struct process){.pid = pid, .parent = parent_of(pid)};
    }
    (void)closedir(proc);
}

/* Children of what is known to be ours, until there are no more. */
static void find_descendants(struct processes *all, pid_t of)
{
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < all->len; i++) {
            struct process *p = &all->items[i];
            bool ours = p->parent == of;
            for (size_t k = 0; !p->ours && !ours && k < all->len; k++)
                ours = all->items[k].ours && all->items[k].pid == p->parent;
            more |= ours && !p->ours;
            p->ours |= ours;
        }
    }
}

static void kill_descendants(void)
{
    struct processes all = {0};
    list_processes(&all);
    find_descendants(&all, getpid());
    for (size_t i = 0; i < all.len; i++)
        if (all.items[i].ours)
            (void)kill(all.items[i].pid, SIGKILL);
    vec_deinit(&all);
}

static bool is_marked(pid_t pid, const char *mark)
{
    char path[64];
    _cleanup_strbuf_ struct strbuf text;
    strbuf_init(&text, ENVIRON_MAX);
    (void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    return strbuf_read_file(&text, path, ENVIRON_MAX) == 0 &&
           memmem(text.buf, text.len, mark, strlen(mark));
}

/* Returns whether there was anybody. */
static bool kill_marked(const char *mark)
{
    struct processes all = {0};
    bool found = false;
    list_processes(&all);
    for (size_t i = 0; i < all.len; i++)
        if (all.items[i].pid != getpid() && is_marked(all.items[i].pid, mark))
            found = kill(all.items[i].pid, SIGKILL) == 0 || found;
    vec_deinit(&all);
    return found;
}

void supervisor_kill_marked(const char *mark)
{
    for (int i = 0; i < MARKED_ROUNDS && kill_marked(mark); i++)
        (void)poll(NULL, 0, MARKED_PAUSE_MS);
}

/* --- the supervisor -------------------------------------------------------------------------- */

struct watch {
    pid_t parent;  /* whose end is everything's; 0: nobody's */
    pid_t program; /* or who supervises it */
    int lifeline;  /* or -1 */
    int signals;
    int code; /* of the program, or -1 */
};

/* Returns false when there are no children any more. */
static bool reap(struct watch *w)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid < 0)
            return errno != ECHILD;
        if (pid == 0)
            return true;
        if (pid == w->program)
            w->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}

/* Who has lost his parent in between is our child next time. */
static _Noreturn void end_all(struct watch *w)
{
    struct pollfd p = {.fd = w->signals, .events = POLLIN};
    struct signalfd_siginfo info;
    while (reap(w)) {
        kill_descendants();
        if (poll(&p, 1, KILL_PAUSE_MS) > 0)
            (void)!read(w->signals, &info, sizeof(info));
    }
    _exit(w->code < 0 ? 128 + SIGKILL : w->code);
}

static _Noreturn void watch(struct watch *w)
{
    struct pollfd p[] = {{.fd = w->signals, .events = POLLIN},
                         {.fd = w->lifeline, .events = POLLIN}};
    struct signalfd_siginfo info;
    for (;;) {
        if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
            end_all(w);
        unsigned char number;
        if (p[0].revents)
            (void)!read(w->signals, &info, sizeof(info));
        bool children = reap(w);
        if (w->code >= 0 || !children || (w->parent && getppid() != w->parent))
            end_all(w);
        if (!p[1].revents)
            continue;
        ssize_t n = read(w->lifeline, &number, 1);
        if (n == 1)
            (void)kill(w->program, number);
        else if (n == 0 || errno != EINTR)
            end_all(w);
    }
}

/* --- the program ----------------------------------------------------------------------------- */

static _Noreturn void become_program(pid_t parent, char *const *argv, char *const *env)
{
    sigset_t none;
    for (int i = 1; i < NSIG; i++)
        (void)signal(i, SIG_DFL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setsid();
    /* If the supervisor is killed at least the program goes. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent)
        (void)execve(argv[0], argv, env);
    int why = errno;
    (void)!write(STATUS, &why, sizeof(why));
    _exit(127);
}

/* --- both supervisors ------------------------------------------------------------------------ */

static void take_places(const int ends[2], const int out[2])
{
    /* By way of higher ones: what is wanted may be in the place of something else wanted. */
    int from[] = {ends[0], ends[1], out[0], out[1]};
    for (size_t i = 0; i < ARRAY_SIZE(from); i++)
        from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 16);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)dup2(null, STDIN_FILENO);
    (void)dup3(from[0], LIFELINE, O_CLOEXEC);
    (void)dup3(from[1], STATUS, O_CLOEXEC);
    (void)dup2(from[2], STDOUT_FILENO);
    (void)dup2(from[3], STDERR_FILENO);
    (void)close_range(FIRST_FREE, ~0U, 0);
}

static void become_reaper(void)
{
    sigset_t all;
    (void)setsid();
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    (void)prctl(PR_SET_NAME, "cleanroom-local");
    for (int i = 1; i < NSIG; i++)
        (void)signal(i, SIG_DFL);
    (void)signal(SIGPIPE, SIG_IGN);
    sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
}

static _Noreturn void look_after(struct watch *w)
{
    int why = w->program < 0 ? errno : 0;
    if (why)
        (void)!write(STATUS, &why, sizeof(why));
    close(STATUS);
    /* The output ends with those who write. */
    (void)dup2(STDIN_FILENO, STDOUT_FILENO);
    (void)dup2(STDIN_FILENO, STDERR_FILENO);
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGCHLD);
    sigaddset(&ours, PARENT_GONE);
    w->signals = signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC);
    watch(w);
}

static _Noreturn void supervise(pid_t parent, char *const *argv, char *const *env)
{
    struct watch w = {.parent = parent, .lifeline = LIFELINE, .code = -1};
    pid_t self = getpid();
    become_reaper();
    (void)prctl(PR_SET_PDEATHSIG, PARENT_GONE);
    if (getppid() != parent)
        _exit(128 + SIGKILL);
    w.program = fork();
    if (w.program == 0)
        become_program(self, argv, env);
    look_after(&w);
}

static _Noreturn void stand_behind(const int ends[2], const int out[2], char *const *argv,
                                   char *const *env)
{
    struct watch w = {.lifeline = -1, .code = -1};
    pid_t self = getpid();
    take_places(ends, out);
    become_reaper();
    w.program = fork();
    if (w.program == 0)
        supervise(self, argv, env);
    look_after(&w);
}

/* --- us -------------------------------------------------------------------------------------- */

/* Until it runs: an errno comes, or the end. */
static int await_program(int status)
{
    int why = 0;
    ssize_t n;
    do
        n = read(status, &why, sizeof(why));
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(why) ? why : 0;
}

int supervisor_start(struct supervisor *s, char *const *argv, char *const *env, const int out[2],
                     struct error *err)
{
    int ends[2], status[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "no socket for '%s'", argv[0]);
    if (pipe2(status, O_CLOEXEC) < 0) {
        int saved = errno;
        close(ends[0]);
        close(ends[1]);
        return error_set_errno(err, ERROR_INTERNAL, saved, "no pipe for '%s'", argv[0]);
    }

    pid_t pid = fork();
    if (pid == 0)
        stand_behind((const int[2]){ends[1], status[1]}, out, argv, env);
    int why = pid < 0 ? errno : 0;
    close(ends[1]);
    close(status[1]);
    if (pid > 0)
        why = await_program(status[0]);
    close(status[0]);
    int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    if (pid > 0 && !why && pidfd < 0)
        why = errno;
    if (!why) {
        *s = (struct supervisor){.pid = pid, .pidfd = pidfd, .lifeline = ends[0]};
        return 0;
    }
    close(ends[0]);
    if (pidfd >= 0)
        close(pidfd);
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
    return error_set_errno(err, ERROR_SERVICE, why, "'%s' could not be started", argv[0]);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define OUT_MAX_BYTES   ((size_t)16 << 20)
#define ERROR_MAX_BYTES ((size_t)64 << 10)
#define TICK_MS         200

struct pipes {
    int out[2], error[2], failure[2];
};

static void pipes_deinit(struct pipes *p)
{
    const int all[] = {p->out[0],   p->out[1],     p->error[0],
                       p->error[1], p->failure[0], p->failure[1]};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        if (all[i] >= 0)
            close(all[i]);
}

static int pipes_init(struct pipes *p)
{
    *p = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}};
    return pipe2(p->out, O_CLOEXEC) < 0 || pipe2(p->error, O_CLOEXEC) < 0 ||
                   pipe2(p->failure, O_CLOEXEC) < 0
               ? -1
               : 0;
}

static _Noreturn void become(const struct pipes *p, char *const *argv, pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent &&
        dup2(p->out[1], STDOUT_FILENO) >= 0 && dup2(p->error[1], STDERR_FILENO) >= 0)
        execvp(argv[0], argv);
    int why = errno;
    (void)!write(p->failure[1], &why, sizeof(why));
    _exit(127);
}

/* False at its end. What is too much is read and forgotten: of errors the first, of output the
   last. */
static bool take(int fd, struct strbuf *to, bool keep_last)
{
    char chunk[8192];
    ssize_t n = read(fd, chunk, sizeof(chunk));
    if (n < 0)
        return errno == EINTR;
    if (n > 0 && keep_last && to->len + (size_t)n > ERROR_MAX_BYTES)
        strbuf_reset(to);
    if (n > 0 && to->len + (size_t)n <= OUT_MAX_BYTES)
        (void)strbuf_add(to, chunk, (size_t)n);
    return n > 0;
}

static void listen_to(struct program *program, const struct pipes *p)
{
    struct pollfd fds[] = {{.fd = p->out[0], .events = POLLIN},
                           {.fd = p->error[0], .events = POLLIN}};
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        if (poll(fds, ARRAY_SIZE(fds), program->tick ? TICK_MS : -1) < 0 && errno != EINTR)
            return;
        if (fds[0].revents && !take(fds[0].fd, &program->out, false))
            fds[0].fd = -1;
        if (fds[1].revents && !take(fds[1].fd, &program->error, true))
            fds[1].fd = -1;
        if (program->tick)
            program->tick(program->data);
    }
}

int program_run(struct program *program)
{
    struct pipes p _cleanup_(pipes_deinit);
    pid_t parent = getpid();
    if (pipes_init(&p) < 0)
        return -1;
    strbuf_init(&program->out, OUT_MAX_BYTES);
    strbuf_init(&program->error, OUT_MAX_BYTES);
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0)
        become(&p, program->argv, parent);
    close(TAKE_FD(p.out[1]));
    close(TAKE_FD(p.error[1]));
    close(TAKE_FD(p.failure[1]));
    listen_to(program, &p);

    int status = 0, why;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (read(p.failure[0], &why, sizeof(why)) == sizeof(why)) {
        errno = why;
        return -1;
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void program_deinit(struct program *program)
{
    strbuf_deinit(&program->out);
    strbuf_deinit(&program->error);
}

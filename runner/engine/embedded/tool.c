/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/tool.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cleanroom/vec.h>

#include "base/file.h"

#define ROOT_PATH "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"

/* The environment is PATH alone; all signals as a program expects them. */
static int spawn(const char *const *argv, int in, int out, pid_t *pid)
{
    static const char *const environment[] = {"PATH=" ROOT_PATH, "LC_ALL=C", NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, out, STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int failure = posix_spawn(pid, argv[0], &files, &attributes, (char *const *)argv,
                              (char *const *)environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return failure;
}

static void read_first_line(int fd, struct strbuf *out)
{
    char text[512];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    if (n <= 0)
        return;
    text[n] = '\0';
    strbuf_add(out, text, strcspn(text, "\r\n"));
}

int tool_run(const char *const *argv, const char *input, struct strbuf *output)
{
    int in _cleanup_close_ = file_in_memory(input, input ? strlen(input) : 0);
    int out _cleanup_close_ = file_in_memory(NULL, 0);
    pid_t pid;
    if (in < 0 || out < 0 || spawn(argv, in, out, &pid) != 0)
        return -1;
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    if (output)
        read_first_line(out, output);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

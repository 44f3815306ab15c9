/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

#include "base/file.h"

/* Fields of /proc/PID/stat, counted from the one behind the command, the second. */
enum { STATE = 3 - 3, START_TIME = 22 - 3 };

/* The command may contain anything, so what is behind it begins at the last ')'. */
char *process_start_time(pid_t pid)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_strvec_ struct strvec fields = STRVEC_INIT;
    _cleanup_free_ char *path = pid ? xasprintf("/proc/%d/stat", (int)pid) : NULL;
    if (strbuf_read_file(&text, path ? path : "/proc/self/stat", 4096) < 0)
        return NULL;
    const char *rest = strrchr(text.buf, ')');
    strvec_split(&fields, rest ? rest + 1 : "", " \n");
    if (fields.len <= START_TIME || strcmp(fields.items[STATE], "Z") == 0)
        return NULL;
    return xstrdup(fields.items[START_TIME]);
}

/* The first one has all ids, from 0 on: "0 0 4294967295". */
bool process_in_user_namespace(void)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_strvec_ struct strvec fields = STRVEC_INIT;
    if (strbuf_read_file(&text, "/proc/self/uid_map", 65536) < 0)
        return false;
    strvec_split(&fields, text.buf, " \n");
    return fields.len != 3 || strcmp(fields.items[2], "4294967295") != 0;
}

/* A relative entry is somebody's current directory: nothing is run from there. */
static char *look(const char *path, const char *name)
{
    _cleanup_strvec_ struct strvec dirs = STRVEC_INIT;
    strvec_split(&dirs, path ? path : "", ":");
    for (size_t i = 0; i < dirs.len; i++) {
        _cleanup_free_ char *file = xasprintf("%s/%s", dirs.items[i], name);
        if (*file == '/' && access(file, X_OK) == 0)
            return TAKE_PTR(file);
    }
    return NULL;
}

char *process_find_program(const char *name)
{
    return look(getenv("PATH"), name);
}

char *process_find_tool(const char *name)
{
    char *path = process_find_program(name);
    return path ? path : look("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", name);
}

int process_spawn(const char *const *argv, char *const *environment, int in, int out, pid_t *pid)
{
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
    int failure = posix_spawn(pid, argv[0], &files, &attributes, (char *const *)argv, environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return failure;
}

/* Whether it ended by itself before the deadline; it has ended in any case. */
static bool wait_until(pid_t pid, nsec_t deadline, int *status)
{
    int fd _cleanup_close_ = pidfd_open(pid, 0);
    struct pollfd end = {.fd = fd, .events = POLLIN};
    int ready = 0;
    for (nsec_t left; fd >= 0 && ready == 0 && (left = deadline - clock_now()) > 0;) {
        ready = poll(&end, 1, (int)(left / NSEC_PER_MSEC) + 1);
        if (ready < 0 && errno == EINTR)
            ready = 0;
    }
    if (ready != 1)
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        ;
    return ready == 1;
}

int process_feed(const char *const *argv, const void *input, size_t len, nsec_t patience,
                 struct error *err)
{
    pid_t pid = 0;
    int status = 0, in _cleanup_close_ = file_in_memory(input, len);
    int failure = in < 0 ? errno : process_spawn(argv, environ, in, STDERR_FILENO, &pid);
    if (failure)
        return error_set_errno(err, ERROR_INTERNAL, failure, "cannot run '%s'", argv[0]);
    char human[24];
    clock_human(patience, human, sizeof(human));
    if (!wait_until(pid, clock_now() + patience, &status))
        return error_set(err, ERROR_TIMEOUT, "'%s' did not end within %s", argv[0], human);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return error_set(err, ERROR_INTERNAL, "'%s' failed: %s %d", argv[0],
                         WIFEXITED(status) ? "exit code" : "signal",
                         WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return 0;
}

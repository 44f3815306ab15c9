/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

#include "base/process.h"

#define FILE_MAX (1 << 20)

/* The ids of users and those of groups: the same twice. */
struct id_kind {
    const char *file;
    const char *tool;
};
static const struct id_kind users = {"/etc/subuid", "newuidmap"};
static const struct id_kind groups = {"/etc/subgid", "newgidmap"};

static bool has_admin(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (syscall(SYS_capget, &head, data) < 0)
        return false;
    return data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN);
}

bool userns_needed(void)
{
    return geteuid() != 0 || !has_admin();
}

/* --- subordinate ids ------------------------------------------------------------------------- */

/* Lines of "USER:FIRST:COUNT", the user by name or number. Appends "INSIDE FIRST COUNT" words;
   returns how many ids there are. */
static unsigned long read_ranges(const struct id_kind *kind, struct strvec *words)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_strvec_ struct strvec lines = STRVEC_INIT;
    const struct passwd *pw = getpwuid(geteuid()); /* cppcheck-suppress getpwuidCalled */
    _cleanup_free_ char *number = xasprintf("%u", (unsigned)geteuid());
    unsigned long inside = 1;
    if (strbuf_read_file(&text, kind->file, FILE_MAX) < 0)
        return 0;
    strvec_split(&lines, text.buf, "\n");
    for (size_t i = 0; i < lines.len; i++) {
        _cleanup_strvec_ struct strvec parts = STRVEC_INIT;
        strvec_split(&parts, lines.items[i], ":");
        if (parts.len != 3 || (strcmp(parts.items[0], number) != 0 &&
                               (!pw || strcmp(parts.items[0], pw->pw_name) != 0)))
            continue;
        unsigned long count = strtoul(parts.items[2], NULL, 10);
        strvec_pushf(words, "%lu", inside);
        strvec_push(words, parts.items[1]);
        strvec_pushf(words, "%lu", count);
        inside += count;
    }
    return inside - 1;
}

void userns_count(unsigned long *uids, unsigned long *gids)
{
    _cleanup_strvec_ struct strvec words = STRVEC_INIT;
    *uids = read_ranges(&users, &words);
    *gids = read_ranges(&groups, &words);
}

static int run_tool(const char *path, char *const *argv, struct error *err)
{
    pid_t pid = fork();
    if (pid == 0) {
        static const char *const env[] = {NULL};
        execve(path, argv, (char *const *)env);
        _exit(127);
    }
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return error_set_errno(err, ERROR_INTERNAL, errno, "could not run '%s'", path);
    if (status != 0)
        return error_set(err, ERROR_ENGINE,
                         "'%s' refused our subordinate ids; see 'cleanroom doctor'", argv[0]);
    return 0;
}

static int map_kind(const struct id_kind *kind, pid_t pid, unsigned own, struct error *err)
{
    _cleanup_strvec_ struct strvec argv = STRVEC_INIT;
    _cleanup_free_ char *path = process_find_tool(kind->tool);
    if (!path)
        return error_set(err, ERROR_ENGINE,
                         "'%s' is not installed; install it (apt-get install uidmap)", kind->tool);
    strvec_push(&argv, kind->tool);
    strvec_pushf(&argv, "%d", (int)pid);
    strvec_push(&argv, "0");
    strvec_pushf(&argv, "%u", own);
    strvec_push(&argv, "1");
    if (read_ranges(kind, &argv) == 0)
        return error_set(err, ERROR_ENGINE,
                         "%s gives this user no subordinate ids; add some (usermod --add-subuids "
                         "100000-165535 --add-subgids 100000-165535 USER)",
                         kind->file);
    return run_tool(path, argv.items, err);
}

int userns_map(pid_t pid, struct error *err)
{
    if (map_kind(&users, pid, (unsigned)geteuid(), err) < 0 ||
        map_kind(&groups, pid, (unsigned)getegid(), err) < 0)
        return -1;
    return 0;
}

/* --- entering -------------------------------------------------------------------------------- */

/* In a child from before: it is outside still. Says nothing when it went well. */
static _Noreturn void map_parent(pid_t parent, int go, int report)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    char byte;
    if (read(go, &byte, 1) == 1 && userns_map(parent, &err) < 0)
        (void)!write(report, err.message, strlen(err.message));
    _exit(0);
}

static int hear(int report, struct error *err)
{
    char text[512];
    ssize_t n = read(report, text, sizeof(text) - 1);
    if (n <= 0)
        return 0;
    return error_set(err, ERROR_ENGINE, "%.*s", (int)n, text);
}

/* Mapped ids are there now: be them. */
static int become_root(struct error *err)
{
    if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        return error_set_errno(err, ERROR_ENGINE, errno,
                               "could not become root of a user namespace");
    return 0;
}

int userns_enter(struct error *err)
{
    int go[2], report[2];
    if (!userns_needed())
        return 0;
    if (pipe2(go, O_CLOEXEC) < 0 || pipe2(report, O_CLOEXEC) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "could not enter a user namespace");
    pid_t self = getpid(), child = fork();
    if (child == 0) {
        close(go[1]);
        map_parent(self, go[0], report[1]);
    }
    close(go[0]);
    close(report[1]);
    int entered = child < 0 ? -1 : unshare(CLONE_NEWUSER);
    if (entered < 0)
        error_set_errno(err, ERROR_ENGINE, errno,
                        "no user namespace could be made; see 'cleanroom doctor'");
    else
        (void)!write(go[1], "", 1);
    close(go[1]);
    if (entered == 0 && (hear(report[0], err) < 0 || become_root(err) < 0))
        entered = -1;
    close(report[0]);
    if (child > 0)
        (void)waitpid(child, NULL, 0);
    return entered;
}

int userns_run(int (*fn)(void *data), void *data)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(userns_enter(NULL) == 0 && fn(data) == 0 ? 0 : errno ? errno : EPERM);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
    return status == 0 ? 0 : -1;
}

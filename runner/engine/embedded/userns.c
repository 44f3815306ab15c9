/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

#include "base/process.h"
#include "engine/embedded/tool.h"

#define FILE_MAX   (1 << 20)
#define RANGES_MAX 340 /* the kernel takes no more, user_namespaces(7) */

/* The ids of users and those of groups: the same twice. */
struct id_kind {
    const char *file;
    const char *tool;
};
static const struct id_kind users = {"/etc/subuid", "newuidmap"};
static const struct id_kind groups = {"/etc/subgid", "newgidmap"};

/* Mounts and namespaces; and the loopback of a pod's network. */
static bool has_powers(void)
{
    static const int needed[] = {CAP_SYS_ADMIN, CAP_NET_ADMIN};
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (syscall(SYS_capget, &head, data) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
        if (!(data[CAP_TO_INDEX(needed[i])].effective & CAP_TO_MASK(needed[i])))
            return false;
    return true;
}

bool userns_needed(void)
{
    return geteuid() != 0 || !has_powers();
}

/* --- subordinate ids ------------------------------------------------------------------------- */

/* A whole field that is a number from min on, below 2^32. */
static bool read_id(const char *text, unsigned long min, unsigned long *out)
{
    *out = strtoul(text, NULL, 10);
    return strspn(text, "0123456789") == strlen(text) && strlen(text) <= 10 && *out >= min &&
           *out < UINT32_MAX;
}

/* The kernel takes no id twice. A line may be there by name and by number, or hold our own id. */
static bool is_taken(const struct id_ranges *ranges, unsigned long first, unsigned long count)
{
    for (size_t i = 0; i < ranges->len; i++) {
        const struct id_range *r = &ranges->items[i];
        if (first < r->first + r->count && r->first < first + count)
            return true;
    }
    return false;
}

static void read_line(const char *line, const struct id_owner *owner, struct id_ranges *ranges)
{
    _cleanup_strvec_ struct strvec parts = STRVEC_INIT;
    unsigned long first, count, user;
    strvec_split(&parts, line, ":");
    if (parts.len != 3)
        return;
    bool ours = owner->name && strcmp(parts.items[0], owner->name) == 0;
    if (!ours && (!read_id(parts.items[0], 0, &user) || user != owner->uid))
        return;
    if (read_id(parts.items[1], 0, &first) && read_id(parts.items[2], 1, &count) &&
        first + count <= UINT32_MAX && !is_taken(ranges, first, count))
        *vec_push(ranges) = (struct id_range){first, count};
}

void userns_read_ranges(const char *path, const struct id_owner *owner, struct id_ranges *ranges)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_strvec_ struct strvec lines = STRVEC_INIT;
    *vec_push(ranges) = (struct id_range){owner->id, 1};
    if (strbuf_read_file(&text, path, FILE_MAX) == 0)
        strvec_split(&lines, text.buf, "\n");
    for (size_t i = 0; i < lines.len && ranges->len < RANGES_MAX; i++)
        read_line(lines.items[i], owner, ranges);
}

static void find_ranges(const struct id_kind *kind, unsigned own, struct id_ranges *ranges)
{
    const struct passwd *pw = getpwuid(geteuid()); /* cppcheck-suppress getpwuidCalled */
    const struct id_owner owner = {pw ? pw->pw_name : NULL, (unsigned)geteuid(), own};
    userns_read_ranges(kind->file, &owner, ranges);
}

static unsigned long count_ids(const struct id_kind *kind, unsigned own)
{
    struct id_ranges ranges = {0};
    unsigned long count = 0;
    find_ranges(kind, own, &ranges);
    for (size_t i = 1; i < ranges.len; i++)
        count += ranges.items[i].count;
    vec_deinit(&ranges);
    return count;
}

void userns_count(unsigned long *uids, unsigned long *gids)
{
    *uids = count_ids(&users, (unsigned)geteuid());
    *gids = count_ids(&groups, (unsigned)getegid());
}

static int run_tool(const struct id_kind *kind, const struct strvec *argv, struct error *err)
{
    struct strbuf said _cleanup_strbuf_ = STRBUF_INIT;
    if (tool_run((const char *const *)argv->items, NULL, &said) == 0)
        return 0;
    return error_set(err, ERROR_ENGINE,
                     "'%s' refused our subordinate ids; see 'cleanroom doctor' (%s)", kind->tool,
                     said.len ? said.buf : "it did not say why");
}

/* "INSIDE OUTSIDE COUNT" of each: inside, one follows the other. */
static size_t push_ranges(struct strvec *argv, const struct id_kind *kind, unsigned own)
{
    struct id_ranges ranges = {0};
    unsigned long inside = 0;
    find_ranges(kind, own, &ranges);
    size_t count = ranges.len;
    for (size_t i = 0; i < count; i++) {
        strvec_pushf(argv, "%lu", inside);
        strvec_pushf(argv, "%lu", ranges.items[i].first);
        strvec_pushf(argv, "%lu", ranges.items[i].count);
        inside += ranges.items[i].count;
    }
    vec_deinit(&ranges);
    return count;
}

static int map_kind(const struct id_kind *kind, pid_t pid, unsigned own, struct error *err)
{
    _cleanup_strvec_ struct strvec argv = STRVEC_INIT;
    _cleanup_free_ char *path = process_find_tool(kind->tool);
    if (!path)
        return error_set(err, ERROR_ENGINE,
                         "'%s' is not installed; install it (apt-get install uidmap)", kind->tool);
    strvec_push(&argv, path);
    strvec_pushf(&argv, "%d", (int)pid);
    if (push_ranges(&argv, kind, own) < 2)
        return error_set(err, ERROR_ENGINE,
                         "%s gives this user no subordinate ids; add some (usermod --add-subuids "
                         "100000-165535 --add-subgids 100000-165535 USER)",
                         kind->file);
    return run_tool(kind, &argv, err);
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

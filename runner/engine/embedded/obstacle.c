/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/obstacle.h"

#include <errno.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdnoreturn.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cleanroom/strbuf.h>

#include "base/process.h"
#include "engine/embedded/userns.h"

/* An image's users are below this; Debian's and Fedora's useradd gives 65536. */
#define IDS_WANTED 65536

/* Switches of kernels and distributions, and the value that forbids. */
static const struct {
    const char *file;
    const char *forbids;
    const char *why;
    const char *remedy;
} switches[] = {
    {"/proc/sys/user/max_user_namespaces", "0",
     "user namespaces are switched off (user.max_user_namespaces is 0)",
     "sysctl -w user.max_user_namespaces=15000, as root"},
    {"/proc/sys/kernel/unprivileged_userns_clone", "0",
     "user namespaces are root's alone (kernel.unprivileged_userns_clone is 0)",
     "sysctl -w kernel.unprivileged_userns_clone=1, as root"},
    {"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
     "AppArmor leaves nothing to do in user namespaces "
     "(kernel.apparmor_restrict_unprivileged_userns is 1)",
     "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, as root, or an AppArmor profile "
     "for cleanroom that allows userns"},
};

#define CONTAINER_REMEDY                                                                           \
    "in a container: --privileged, or Docker's or Podman's socket mounted into it and --engine "   \
    "docker"

void obstacle_deinit(struct obstacle *o)
{
    free(o->why);
    *o = (struct obstacle){0};
}

static bool is_set_to(const char *file, const char *value)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    if (strbuf_read_file(&text, file, 64) < 0)
        return false;
    strbuf_truncate(&text, strcspn(text.buf, "\n"));
    return strcmp(text.buf, value) == 0;
}

void obstacle_to_privilege(int errnum, const char *what, struct obstacle *out)
{
    for (size_t i = 0; userns_needed() && i < ARRAY_SIZE(switches); i++) {
        if (!is_set_to(switches[i].file, switches[i].forbids))
            continue;
        *out = (struct obstacle){xstrdup(switches[i].why), switches[i].remedy};
        return;
    }
    bool forbidden = errnum == EPERM || errnum == EACCES;
    *out = (struct obstacle){
        .why = xasprintf("%s (%s)%s", what, strerror(errnum),
                         forbidden ? ": a seccomp filter, a security module or the container "
                                     "around us forbids it"
                                   : ""),
        .remedy = forbidden ? CONTAINER_REMEDY : NULL,
    };
}

/* Exit codes of the try that are no errno; the one of NO_PROC is added to it. */
#define NO_PROC  128
#define NO_PIVOT 127

/* Docker's seccomp profile refuses it even to who has CAP_SYS_ADMIN. It is not let come to pass. */
static bool may_pivot(void)
{
    return syscall(SYS_pivot_root, NULL, NULL) < 0 && errno != EPERM && errno != ENOSYS;
}

/* All capabilities are there: can they be used? */
static noreturn void use_userns(void)
{
    if (!may_pivot())
        _exit(NO_PIVOT);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        _exit(errno);
    _exit(mount("proc", "/proc", "proc", 0, NULL) == 0 ? 0 : NO_PROC | errno);
}

/* As fork(2), but into namespaces of its own. */
static int try_userns(void)
{
    int status;
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | SIGCHLD, 0,
                               0, 0, 0);
    if (pid == 0)
        use_userns();
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

int obstacle_to_userns(struct obstacle *out)
{
    int errnum = userns_needed() ? try_userns() : may_pivot() ? 0 : NO_PIVOT;
    if (errnum == NO_PIVOT) {
        *out = (struct obstacle){
            xstrdup("no file system can be made the root of a container (pivot_root): the seccomp "
                    "filter of the container around us forbids it"),
            CONTAINER_REMEDY};
    } else if (errnum & NO_PROC) {
        *out = (struct obstacle){
            xasprintf("no /proc can be mounted (%s): parts of our own are covered, as in most "
                      "containers",
                      strerror(errnum & ~NO_PROC)),
            "--security-opt systempaths=unconfined (Docker), unmask=ALL (Podman), or --engine "
            "docker"};
    } else if (errnum) {
        obstacle_to_privilege(errnum, "no user namespace can be made", out);
    }
    return errnum != 0;
}

static int lacking_ids(const char *file, unsigned long count, struct obstacle *out)
{
    const struct passwd *pw = getpwuid(geteuid());
    if (count >= IDS_WANTED)
        return 0;
    *out = (struct obstacle){
        .why = count
                   ? xasprintf("%s has only %lu subordinate ids for '%s', %d are needed", file,
                               count, pw ? pw->pw_name : "us", IDS_WANTED)
                   : xasprintf("no subordinate ids for '%s' in %s", pw ? pw->pw_name : "us", file),
        .remedy = "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER, as root, "
                  "with ranges that nobody else has",
    };
    return 1;
}

int obstacle_to_ids(struct obstacle *out)
{
    static const char *const tools[] = {"newuidmap", "newgidmap"};
    unsigned long uids, gids;
    if (!userns_needed())
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
        _cleanup_free_ char *path = process_find_tool(tools[i]);
        if (path)
            continue;
        *out = (struct obstacle){xasprintf("'%s' is not installed", tools[i]),
                                 "apt-get install uidmap"};
        return 1;
    }
    userns_count(&uids, &gids);
    return lacking_ids("/etc/subuid", uids, out) || lacking_ids("/etc/subgid", gids, out);
}

int obstacle_check(struct error *err)
{
    _cleanup_(obstacle_deinit) struct obstacle o = {0};
    if (!obstacle_to_userns(&o) && !obstacle_to_ids(&o))
        return 0;
    error_set(err, ERROR_ENGINE, "%s", o.why);
    if (err && o.remedy)
        error_detail(err, "%s\n", o.remedy);
    return -1;
}

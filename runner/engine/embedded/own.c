/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/own.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "engine/embedded/bundle.h"
#include "engine/embedded/volumes.h"

void own_keep(struct cell *c, const struct recipe *r)
{
    c->ours = xcalloc(1, sizeof(*c->ours));
    c->ours->hostname = xstrdup(r->hostname);
    c->ours->netns = r->pod ? r->pod : c->id;
    strvec_append(&c->ours->argv, r->has_entrypoint ? &r->entrypoint : &r->image.entrypoint);
    strvec_append(&c->ours->argv, &r->argv);
    strvec_append(&c->ours->env, &r->env);
}

void own_hand(struct cell *c, int fd)
{
    *vec_push(&c->ours->handed) = fd;
}

void own_close_handed(struct cell *c)
{
    for (size_t i = 0; i < c->ours->handed.len; i++)
        close(c->ours->handed.items[i]);
    c->ours->handed.len = 0;
}

void own_forget(struct cell *c)
{
    if (!c->ours)
        return;
    own_close_handed(c);
    vec_deinit(&c->ours->handed);
    free(c->ours->hostname);
    strvec_deinit(&c->ours->argv);
    strvec_deinit(&c->ours->env);
    free(TAKE_PTR(c->ours));
}

/* All that the child needs, for it lives on our memory: system calls only. */
struct attempt {
    const struct cell *cell;
    char *root, *netns;
    struct strvec volumes; /* the directories of cell->volumes */
    void *filter;
    size_t filter_size;
    bool cgroup;
    const char *failed; /* at what */
    int error;
};

static void attempt_deinit(struct attempt *a)
{
    free(a->root);
    free(a->netns);
    free(a->filter);
    strvec_deinit(&a->volumes);
}

static int prepare(struct keeper *k, const struct cell *c, struct attempt *a, struct error *err)
{
    *a = (struct attempt){.cell = c, .cgroup = k->options->cgroups->version == 2 || c->limited};
    a->root = keeper_path(k->dir, "c", c->id, "r");
    a->netns = keeper_path(k->dir, "n", c->ours->netns, NULL);
    a->filter = bundle_seccomp(&a->filter_size);
    if (!a->filter || c->ours->argv.len == 0)
        return error_set(err, ERROR_ENGINE, "there is no seccomp filter, or nothing to run");
    _cleanup_close_ int root = open(a->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < c->volumes.len; i++) {
        const struct cell_volume *v = &c->volumes.items[i];
        _cleanup_close_ int target = root < 0 ? -1 : volumes_target(root, v->target);
        if (target < 0)
            return error_set_errno(err, ERROR_ENGINE, errno, "no place for the volume on '%s'",
                                   v->target);
        strvec_take(&a->volumes, keeper_path(k->scratch, "v", v->volume, NULL));
    }
    return 0;
}

/* --- the child ------------------------------------------------------------------------------- */

static void must(struct attempt *a, long result, const char *what)
{
    if (result >= 0)
        return;
    a->failed = what;
    a->error = errno;
    _exit(1);
}

/* The pid namespace is new already: see own_start(). */
static void enter_namespaces(struct attempt *a)
{
    const char *hostname = a->cell->ours->hostname;
    int netns = open(a->netns, O_RDONLY | O_CLOEXEC);
    must(a, cell_join_groups(a->cell), "control groups");
    must(a, netns < 0 ? -1 : setns(netns, CLONE_NEWNET), "network namespace");
    must(a, unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | (a->cgroup ? CLONE_NEWCGROUP : 0)),
         "namespaces");
    must(a, sethostname(hostname, strlen(hostname)), "host name");
    must(a, setsid(), "session");
}

static void enter_root(struct attempt *a)
{
    int root = open(a->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    must(a, root, "root file system");
    for (size_t i = 0; i < a->volumes.len; i++)
        must(a, volumes_mount(a->volumes.items[i], root, a->cell->volumes.items[i].target),
             "volume");
    must(a, fchdir(root), "root file system");
    must(a, syscall(SYS_pivot_root, ".", "."), "pivot_root");
    must(a, umount2(".", MNT_DETACH), "old root");
    must(a, chdir("/"), "root file system");
}

/* To their places, by way of others, where none is in the place of another. Returns the first
   descriptor that is free again. */
static int place_handed(struct attempt *a)
{
    const struct own *own = a->cell->ours;
    int count = (int)own->handed.len, away[PUBLISH_MAX];
    for (int i = 0; i < count; i++) {
        away[i] = fcntl(own->handed.items[i], F_DUPFD_CLOEXEC, OWN_HANDED + count);
        must(a, away[i], "descriptors");
    }
    for (int i = 0; i < count; i++)
        must(a, dup2(away[i], OWN_HANDED + i), "descriptors");
    return OWN_HANDED + count;
}

static void redirect(struct attempt *a)
{
    sigset_t none;
    sigemptyset(&none);
    must(a, dup2(a->cell->out[0], STDOUT_FILENO), "standard output");
    must(a, dup2(a->cell->out[1], STDERR_FILENO), "standard error");
    must(a, sigprocmask(SIG_SETMASK, &none, NULL), "signals");
    (void)close_range((unsigned)place_handed(a), ~0U, 0); /* all of them are CLOEXEC */
}

/* root without anything that makes it so; files are still its own. Groups stay where a user
   namespace does not let anybody leave them. */
static void give_up_powers(struct attempt *a)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct nothing[_LINUX_CAPABILITY_U32S_3] = {{0}};
    struct sock_fprog program = {
        .len = (unsigned short)(a->filter_size / sizeof(struct sock_filter)), .filter = a->filter};
    if (syscall(SYS_setgroups, 0, NULL) < 0 && errno != EPERM)
        must(a, -1, "groups");
    must(a, syscall(SYS_setresgid, 0, 0, 0), "group");
    must(a, syscall(SYS_setresuid, 0, 0, 0), "user");
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        must(a, prctl(PR_CAPBSET_DROP, cap, 0, 0, 0), "bounding set");
    must(a, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "privileges");
    must(a, syscall(SYS_capset, &header, nothing), "capabilities");
    must(a, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), "seccomp filter");
}

static _Noreturn void become_program(struct attempt *a)
{
    enter_namespaces(a);
    enter_root(a);
    redirect(a);
    give_up_powers(a);
    must(a,
         execve(a->cell->ours->argv.items[0], a->cell->ours->argv.items, a->cell->ours->env.items),
         "program");
    _exit(1);
}

/* --- us -------------------------------------------------------------------------------------- */

/* Our children are born into the new pid namespace until we are back in our own. */
static pid_t launch(struct keeper *k, struct attempt *a)
{
    if (unshare(CLONE_NEWPID) < 0) {
        a->failed = "pid namespace";
        a->error = errno;
        return -1;
    }
    /* NOLINTBEGIN(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork) */
    pid_t pid = vfork();
    if (pid == 0)
        become_program(a);
    /* NOLINTEND(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork) */
    if (pid < 0) {
        a->failed = "process";
        a->error = errno;
    }
    if (setns(k->pidns, CLONE_NEWPID) < 0)
        _exit(1);
    return pid;
}

pid_t own_start(struct keeper *k, const struct cell *c, struct error *err)
{
    struct attempt a _cleanup_(attempt_deinit);
    if (prepare(k, c, &a, err) < 0)
        return -1;
    pid_t pid = launch(k, &a);
    if (!a.failed)
        return pid;
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
    return error_set_errno(err, ERROR_ENGINE, a.error, "%s", a.failed);
}

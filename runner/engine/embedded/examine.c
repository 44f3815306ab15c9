/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For `cleanroom doctor`: tries what a world is made of, each thing in a child process of its own
 * that takes everything with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cleanroom/strbuf.h>

#include "base/process.h"
#include "engine/embedded/cgroup.h"
#include "engine/embedded/embedded.h"
#include "engine/embedded/obstacle.h"
#include "engine/embedded/outside.h"
#include "engine/embedded/runtime.h"
#include "engine/embedded/trace.h"
#include "engine/embedded/userns.h"

void findings_deinit(struct findings *findings)
{
    for (size_t i = 0; i < findings->len; i++)
        free(findings->items[i].found);
    vec_deinit(findings);
}

/* found is taken over. */
static void add(struct findings *out, bool ok, bool essential, const char *what, char *found,
                const char *remedy)
{
    *vec_push(out) = (struct finding){
        .ok = ok, .essential = essential, .what = what, .found = found, .remedy = remedy};
}

static void add_obstacle(struct findings *out, const char *what, struct obstacle *o)
{
    add(out, false, true, what, TAKE_PTR(o->why), o->remedy);
}

/* --- the runtime ----------------------------------------------------------------------------- */

/* The first line a program prints about its version; release with free(). */
static char *version_of(const char *path)
{
    char *const argv[] = {(char *)path, (char *)"--version", NULL};
    posix_spawn_file_actions_t actions;
    char text[128] = "";
    int out[2];
    pid_t pid;
    if (pipe2(out, O_CLOEXEC) < 0)
        return xstrdup("");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    bool begun = posix_spawn(&pid, path, &actions, NULL, argv, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    if (begun && read(out[0], text, sizeof(text) - 1) < 0)
        text[0] = '\0';
    close(out[0]);
    if (begun)
        (void)waitpid(pid, NULL, 0);
    text[strcspn(text, "\n")] = '\0';
    return xstrdup(text);
}

static void examine_runtime(struct findings *out)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *path = runtime_find(&err);
    if (!path) {
        add(out, false, true, "OCI runtime", xstrdup("neither crun nor runc is installed"),
            "apt-get install crun");
        return;
    }
    _cleanup_free_ char *version = version_of(path);
    bool runs = *version != '\0';
    add(out, runs, true, "OCI runtime",
        runs ? xasprintf("%s (%s)", version, path) : xasprintf("%s does not run", path),
        "apt-get install --reinstall crun");
}

/* --- namespaces and mounts ------------------------------------------------------------------- */

static bool examine_user(struct findings *out)
{
    _cleanup_(obstacle_deinit) struct obstacle o = {0};
    unsigned long uids, gids;
    if (obstacle_to_userns(&o)) {
        add_obstacle(out, userns_needed() ? "user namespaces" : "user", &o);
        return false;
    }
    if (!userns_needed()) {
        add(out, true, true, "user", xstrdup("root"), NULL);
        return true;
    }
    add(out, true, true, "user namespaces",
        xstrdup("for ordinary users, too, with a /proc of their own"), NULL);
    if (obstacle_to_ids(&o)) {
        add_obstacle(out, "subordinate ids", &o);
        return false;
    }
    const struct passwd *pw = getpwuid(geteuid());
    userns_count(&uids, &gids);
    add(out, true, true, "subordinate ids",
        xasprintf("%lu users and %lu groups for '%s'", uids, gids, pw ? pw->pw_name : "us"), NULL);
    return true;
}

/* The world's own mounts, on an empty directory. */
static int own_mounts(const char *dir)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return -1;
    return mount("tmpfs", dir, "tmpfs", MS_NODEV | MS_NOSUID, "mode=0700");
}

static int try_tmpfs(void *data)
{
    return own_mounts(data);
}

static int try_overlay(void *data)
{
    static const char *const dirs[] = {"l", "u", "k", "r"};
    if (own_mounts(data) < 0 || chdir(data) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
        if (mkdir(dirs[i], 0755) < 0)
            return -1;
    _cleanup_free_ char *options = xasprintf("lowerdir=l,upperdir=u,workdir=k%s",
                                             process_in_user_namespace() ? ",userxattr" : "");
    return mount("overlay", "r", "overlay", MS_NODEV, options);
}

static int try_netns(void *data)
{
    (void)data;
    return unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS);
}

static const struct {
    const char *what, *found, *failed;
    int (*try)(void *dir);
    const char *remedy; /* NULL: as obstacle_to_privilege() has it */
} trials[] = {
    {"mounts of its own", "tmpfs in a mount namespace", "no mount can be made", try_tmpfs, NULL},
    {"overlay mounts", "on tmpfs", "no overlay can be mounted", try_overlay,
     "modprobe overlay, as root; ordinary users need Linux 5.11 or newer"},
    {"network namespaces", "with a loopback of their own", "no namespaces can be made", try_netns,
     NULL},
};

static void examine_namespaces(struct findings *out)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *base = trace_base(&err);
    _cleanup_free_ char *dir = base ? xasprintf("%s/.try-XXXXXX", base) : NULL;
    if (!dir || !mkdtemp(dir)) {
        add(out, false, true, "place",
            dir ? xasprintf("could not make '%s': %s", dir, strerror(errno)) : xstrdup(err.message),
            "set XDG_RUNTIME_DIR to a directory of yours alone");
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(trials); i++) {
        _cleanup_(obstacle_deinit) struct obstacle o = {0};
        if (userns_run(trials[i].try, dir) == 0) {
            add(out, true, true, trials[i].what, xstrdup(trials[i].found), NULL);
            continue;
        }
        obstacle_to_privilege(errno, trials[i].failed, &o);
        if (trials[i].remedy)
            o.remedy = trials[i].remedy;
        add_obstacle(out, trials[i].what, &o);
    }
    (void)rmdir(dir);
}

/* --- what it can do without ------------------------------------------------------------------ */

static void examine_limits(struct findings *out)
{
    struct cgroup_places places;
    cgroup_find(&places, "/proc/self", "doctor");
    add(out, places.version != 0, false, "limits",
        places.version ? xasprintf("of memory, CPUs and processes by control groups, version %d",
                                   places.version)
                       : xasprintf("--memory, --cpus and --pids are not held: %s", places.why),
        userns_needed() ? "a delegated control group of version 2: systemd-run --user --scope -p "
                          "Delegate=yes cleanroom ..."
                        : "mount control groups below /sys/fs/cgroup");
    cgroup_places_deinit(&places);
}

static void examine_outside(struct findings *out)
{
    static const char *const names[] = {[NETWORK_HOST_NAT] = "host-nat", [NETWORK_PASTA] = "pasta"};
    _cleanup_error_ struct error err = ERROR_INIT;
    struct outside outside = {0};
    if (outside_choose(&outside, NETWORK_OUTSIDE, userns_needed(), &err) == 0)
        add(out, true, false, "--network outside", xstrdup(names[outside.mode]), NULL);
    else
        add(out, false, false, "--network outside", xstrdup(err.message), NULL);
    outside_deinit(&outside);
}

void embedded_examine(struct findings *out)
{
    examine_runtime(out);
    if (examine_user(out))
        examine_namespaces(out);
    examine_limits(out);
    examine_outside(out);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#include <cleanroom/strbuf.h>

#include "engine/embedded/put.h"

#define CPU_PERIOD 100000 /* microseconds */
/* A group whose last process has just been reaped is busy for a moment. */
#define BUSY_TRIES 50

enum { MEMORY, CPU, PIDS, CONTROLLERS };
static const char *const controllers[CONTROLLERS] = {
    [MEMORY] = "memory", [CPU] = "cpu", [PIDS] = "pids"};

/* --- where ----------------------------------------------------------------------------------- */

/* A hierarchy as mountinfo tells of it, proc(5). */
struct hierarchy {
    char *root;  /* which of its groups is at the mount point */
    char *point; /* where it is mounted, NULL = nowhere */
};

struct hierarchies {
    struct hierarchy one[CONTROLLERS];
    struct hierarchy two;
};

static void hierarchy_deinit(struct hierarchy *h)
{
    free(h->root);
    free(h->point);
}

static void hierarchies_deinit(struct hierarchies *h)
{
    for (int i = 0; i < CONTROLLERS; i++)
        hierarchy_deinit(&h->one[i]);
    hierarchy_deinit(&h->two);
}

static bool has_word(const char *list, const char *word, const char *separators)
{
    _cleanup_strvec_ struct strvec words = STRVEC_INIT;
    strvec_split(&words, list, separators);
    return strvec_contains(&words, word);
}

static void note(struct hierarchy *h, const struct strvec *fields)
{
    if (h->point)
        return;
    h->root = xstrdup(fields->items[3]);
    h->point = xstrdup(fields->items[4]);
}

static void read_mount(const char *line, struct hierarchies *h)
{
    _cleanup_strvec_ struct strvec fields = STRVEC_INIT, rest = STRVEC_INIT;
    const char *dash = strstr(line, " - cgroup");
    if (!dash)
        return;
    _cleanup_free_ char *mount = xstrndup(line, (size_t)(dash - line));
    strvec_split(&fields, mount, " ");
    strvec_split(&rest, dash + 3, " "); /* type, source, options */
    if (rest.len < 3 || fields.len < 6)
        return;
    if (strcmp(rest.items[0], "cgroup2") == 0)
        note(&h->two, &fields);
    for (int i = 0; strcmp(rest.items[0], "cgroup") == 0 && i < CONTROLLERS; i++)
        if (has_word(rest.items[2], controllers[i], ","))
            note(&h->one[i], &fields);
}

static void read_lines(const char *path, struct strvec *lines)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    if (strbuf_read_file(&text, path, 8 << 20) == 0)
        strvec_split(lines, text.buf, "\n");
}

/* Our own group in the hierarchy of a controller (NULL: version 2), of lines "5:cpu,cpuacct:/a/b".
   Release with free(). */
static char *own_group(const struct strvec *lines, const char *controller)
{
    for (size_t i = 0; i < lines->len; i++) {
        const char *list = strchr(lines->items[i], ':');
        const char *path = list ? strchr(list + 1, ':') : NULL;
        if (!path)
            continue;
        _cleanup_free_ char *words = xstrndup(list + 1, (size_t)(path - list - 1));
        if (controller ? has_word(words, controller, ",") : *words == '\0')
            return xstrdup(path + 1);
    }
    return xstrdup("/");
}

/* Where a group is seen; the mount point itself when it lies outside of what is mounted. */
static char *seen_at(const struct hierarchy *h, const char *group)
{
    size_t len = strcmp(h->root, "/") == 0 ? 0 : strlen(h->root);
    if (strncmp(group, h->root, len) == 0 && (group[len] == '/' || group[len] == '\0')) {
        char *path = xasprintf("%s%s", h->point, strcmp(group + len, "/") == 0 ? "" : group + len);
        if (access(path, F_OK) == 0)
            return path;
        free(path);
    }
    return xstrdup(h->point);
}

static bool find_one(struct cgroup_places *p, const struct hierarchies *h,
                     const struct strvec *groups, const char *run)
{
    bool any = false;
    for (int i = 0; i < CONTROLLERS; i++) {
        _cleanup_free_ char *own = h->one[i].point ? own_group(groups, controllers[i]) : NULL;
        _cleanup_free_ char *dir = own ? seen_at(&h->one[i], own) : NULL;
        if (dir && access(dir, W_OK) == 0) {
            any = true;
            strvec_pushf(&p->dirs, "%s/cleanroom-%s", dir, run);
        } else {
            strvec_push(&p->dirs, "");
        }
    }
    return any;
}

static bool may(const char *dir, const char *file, int mode)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, file);
    return access(path, mode) == 0;
}

/* Version 1 may have taken the controllers for itself, or nobody has handed them down. */
static bool has_memory(const char *dir)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_free_ char *path = xasprintf("%s/cgroup.controllers", dir);
    return strbuf_read_file(&text, path, 4096) == 0 &&
           has_word(text.buf, controllers[MEMORY], " \n");
}

/* A group with processes in it cannot have groups with controllers below it, but for the root
   (which has no type): so it is the nearest one above us that is ours to write. */
static bool find_two(struct cgroup_places *p, const struct hierarchy *h,
                     const struct strvec *groups, const char *run)
{
    _cleanup_free_ char *own = own_group(groups, NULL);
    _cleanup_free_ char *dir = seen_at(h, own);
    size_t top = strlen(h->point);
    bool found = strlen(dir) == top && !may(dir, "cgroup.type", F_OK);
    while (!found && strlen(dir) > top) {
        *strrchr(dir, '/') = '\0';
        found = may(dir, "cgroup.procs", W_OK);
    }
    if (!found || !may(dir, "cgroup.subtree_control", W_OK) || !has_memory(dir))
        return false;
    strvec_pushf(&p->dirs, "%s/cleanroom-%s", dir, run);
    return true;
}

void cgroup_find(struct cgroup_places *p, const char *proc, const char *run)
{
    struct hierarchies h = {0};
    _cleanup_strvec_ struct strvec mounts = STRVEC_INIT, groups = STRVEC_INIT;
    *p = (struct cgroup_places){0};
    _cleanup_free_ char *mountinfo = xasprintf("%s/mountinfo", proc);
    _cleanup_free_ char *cgroup = xasprintf("%s/cgroup", proc);
    read_lines(mountinfo, &mounts);
    read_lines(cgroup, &groups);
    for (size_t i = 0; i < mounts.len; i++)
        read_mount(mounts.items[i], &h);

    bool one = h.one[MEMORY].point || h.one[CPU].point || h.one[PIDS].point;
    if (one && find_one(p, &h, &groups, run))
        p->version = 1;
    else if (!one && h.two.point && find_two(p, &h.two, &groups, run))
        p->version = 2;
    else if (one)
        p->why = xstrdup("control groups of version 1 are root's alone");
    else if (h.two.point)
        p->why = xstrdup("no control group above our own may be written to and limit memory");
    else
        p->why = xstrdup("no control groups are mounted");
    if (p->version == 0)
        strvec_deinit(&p->dirs);
    hierarchies_deinit(&h);
}

void cgroup_places_deinit(struct cgroup_places *p)
{
    free(p->why);
    strvec_deinit(&p->dirs);
    *p = (struct cgroup_places){0};
}

/* --- making ---------------------------------------------------------------------------------- */

static int put(const char *dir, const char *file, const char *text)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", dir, file);
    return put_file(path, text, 0);
}

/* "no limit" is left as it is. */
static int put_number(const char *dir, const char *file, uint64_t number)
{
    _cleanup_free_ char *text = xasprintf("%llu", (unsigned long long)number);
    return number ? put(dir, file, text) : 0;
}

static int limit_one(int controller, const char *dir, const struct cgroup_limits *limits)
{
    switch (controller) {
    case MEMORY:
        if (put_number(dir, "memory.limit_in_bytes", limits->memory) < 0)
            return -1;
        /* As much swap again, as Docker has it; where swap is not counted there is no file. */
        (void)put_number(dir, "memory.memsw.limit_in_bytes", limits->memory * 2);
        return 0;
    case CPU:
        return put_number(dir, "cpu.cfs_quota_us", limits->cpu * CPU_PERIOD / 1000);
    default:
        return put_number(dir, "pids.max", limits->pids);
    }
}

static int limit_two(const char *dir, const struct cgroup_limits *limits)
{
    _cleanup_free_ char *cpu = xasprintf(
        "%llu %d", (unsigned long long)(limits->cpu * CPU_PERIOD / 1000), CPU_PERIOD);
    (void)put_number(dir, "memory.swap.max", limits->memory);
    if (put_number(dir, "memory.max", limits->memory) < 0 ||
        (limits->cpu && put(dir, "cpu.max", cpu) < 0) ||
        put_number(dir, "pids.max", limits->pids) < 0)
        return -1;
    return 0;
}

/* Controllers are for groups below from here on; which of them there are shows when they are used.
 */
static void hand_down(const char *dir)
{
    for (int i = 0; i < CONTROLLERS; i++) {
        _cleanup_free_ char *word = xasprintf("+%s", controllers[i]);
        (void)put(dir, "cgroup.subtree_control", word);
    }
}

static int make_run_dir(int version, const char *dir)
{
    if (mkdir(dir, 0755) < 0)
        return errno == EEXIST ? 0 : -1;
    if (version == 2) {
        _cleanup_free_ char *above = xstrndup(dir, (size_t)(strrchr(dir, '/') - dir));
        hand_down(above);
        hand_down(dir);
    }
    return 0;
}

static bool is_wanted(const struct cgroup_places *p, size_t i, const struct cgroup_limits *limits)
{
    const uint64_t of[CONTROLLERS] = {
        [MEMORY] = limits->memory, [CPU] = limits->cpu, [PIDS] = limits->pids};
    return p->version == 2 || (i < CONTROLLERS && of[i] != 0);
}

int cgroup_make(const struct cgroup_places *p, const char *name, const struct cgroup_limits *limits,
                struct strvec *procs, struct error *err)
{
    for (size_t i = 0; i < p->dirs.len; i++) {
        if (!is_wanted(p, i, limits))
            continue;
        const char *above = p->dirs.items[i];
        if (!*above)
            return error_set(err, ERROR_ENGINE,
                             "a limit cannot be set: there is no '%s' control group to write to",
                             controllers[i % CONTROLLERS]);
        _cleanup_free_ char *dir = xasprintf("%s/%s", above, name);
        if (make_run_dir(p->version, above) < 0 || (mkdir(dir, 0755) < 0 && errno != EEXIST))
            return error_set_errno(err, ERROR_ENGINE, errno, "could not make '%s'", dir);
        if ((p->version == 2 ? limit_two(dir, limits) : limit_one((int)i, dir, limits)) < 0)
            return error_set_errno(err, ERROR_ENGINE, errno, "could not set a limit in '%s'", dir);
        strvec_pushf(procs, "%s/cgroup.procs", dir);
    }
    return 0;
}

/* --- afterwards ------------------------------------------------------------------------------ */

/* "oom_kill 1" on a line of its own, version 1 in memory.oom_control, version 2 in memory.events.
 */
bool cgroup_oom(const struct cgroup_places *p, const char *name)
{
    _cleanup_strvec_ struct strvec lines = STRVEC_INIT;
    if (p->version == 0 || !*p->dirs.items[MEMORY])
        return false;
    _cleanup_free_ char *path = xasprintf("%s/%s/%s", p->dirs.items[MEMORY], name,
                                          p->version == 1 ? "memory.oom_control" : "memory.events");
    read_lines(path, &lines);
    for (size_t i = 0; i < lines.len; i++)
        if (strncmp(lines.items[i], "oom_kill ", 9) == 0)
            return strcmp(lines.items[i] + 9, "0") != 0;
    return false;
}

int cgroup_remove(const struct cgroup_places *p, const char *name)
{
    int busy = 0;
    for (size_t i = 0; i < p->dirs.len; i++) {
        _cleanup_free_ char *dir = xasprintf("%s/%s", p->dirs.items[i], name);
        if (*p->dirs.items[i] && rmdir(dir) < 0 && errno != ENOENT)
            busy = errno;
    }
    errno = busy;
    return busy ? -1 : 0;
}

static void kill_group(const char *dir)
{
    _cleanup_strvec_ struct strvec pids = STRVEC_INIT;
    _cleanup_free_ char *path = xasprintf("%s/cgroup.procs", dir);
    read_lines(path, &pids);
    for (size_t i = 0; i < pids.len; i++) {
        pid_t pid = (pid_t)strtol(pids.items[i], NULL, 10);
        if (pid > 0)
            (void)kill(pid, SIGKILL);
    }
}

static int remove_group(const char *dir)
{
    for (int tries = 0; rmdir(dir) < 0 && errno != ENOENT; tries++) {
        if (errno != EBUSY || tries == BUSY_TRIES)
            return -1;
        kill_group(dir);
        (void)poll(NULL, 0, 1);
    }
    return 0;
}

static int remove_run_dir(const char *dir)
{
    DIR *entries = opendir(dir);
    if (!entries)
        return errno == ENOENT ? 0 : -1;
    int removed = 0;
    for (struct dirent *e; removed == 0 && (e = readdir(entries));) {
        _cleanup_free_ char *group = xasprintf("%s/%s", dir, e->d_name);
        if (e->d_type == DT_DIR && e->d_name[0] != '.')
            removed = remove_group(group);
    }
    (void)closedir(entries);
    return removed == 0 ? remove_group(dir) : -1;
}

int cgroup_remove_all(const struct strvec *dirs)
{
    for (size_t i = 0; i < dirs->len; i++)
        if (*dirs->items[i] && remove_run_dir(dirs->items[i]) < 0)
            return -1;
    return 0;
}

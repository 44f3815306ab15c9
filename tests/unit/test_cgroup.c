/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a run's control groups go, by what /proc says: of either version, both, or none. The
 * hierarchies are directories here that have the files the kernel's have.
 */
#include "engine/embedded/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cleanroom/strbuf.h>

#include "base/file.h"
#include "engine/store/tree.h"
#include "tap.h"

/* proc/ stands for /proc/self, the rest for /sys/fs/cgroup. */
static char top[] = "/tmp/cleanroom-cgroup-XXXXXX";

/* With all directories above it. */
static void put(const char *name, const char *text)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", top, name);
    for (char *slash = path + strlen(top) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        (void)mkdir(path, 0755);
    }
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    check_int(file_write_all(fd, text, strlen(text)), 0);
}

/* Lines of mountinfo: "%s" is where the hierarchies are. */
static void put_mounts(const char *format)
{
    struct strbuf text _cleanup_strbuf_ = STRBUF_INIT;
    for (const char *at; (at = strstr(format, "%s")); format = at + 2) {
        (void)strbuf_add(&text, format, (size_t)(at - format));
        strbuf_adds(&text, top);
    }
    strbuf_adds(&text, format);
    put("proc/mountinfo", text.buf);
}

/* "VERSION DIR DIR ..." without what they all begin with; or "0 why". */
static char *found(void)
{
    struct cgroup_places p;
    struct strbuf out = STRBUF_INIT;
    _cleanup_free_ char *proc = xasprintf("%s/proc", top);
    cgroup_find(&p, proc, "r1");
    strbuf_addf(&out, "%d", p.version);
    for (size_t i = 0; i < p.dirs.len; i++) {
        const char *dir = p.dirs.items[i];
        bool below = strncmp(dir, top, strlen(top)) == 0;
        strbuf_addf(&out, " %s", !*dir ? "-" : below ? dir + strlen(top) : dir);
    }
    check((p.version == 0) == (p.why != NULL));
    if (p.why)
        strbuf_addf(&out, " %s", p.why);
    cgroup_places_deinit(&p);
    return strbuf_detach(&out);
}

static void check_found(const char *want)
{
    _cleanup_free_ char *got = found();
    check_str(got, want);
}

static void begin(void)
{
    memcpy(top + sizeof(top) - 7, "XXXXXX", 6);
    check(mkdtemp(top) != NULL);
}

static void end(void)
{
    check_int(tree_remove(AT_FDCWD, top), 0);
}

#define V1_MOUNTS                                                                                  \
    "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"                                                        \
    "30 25 0:26 / %s/mem rw,nosuid shared:9 - cgroup cgroup rw,memory\n"                           \
    "31 25 0:27 / %s/cpu,cpuacct rw,nosuid shared:10 master:3 - cgroup cgroup rw,cpu,cpuacct\n"    \
    "32 25 0:28 / %s/pids rw,nosuid - cgroup cgroup rw,pids\n"                                     \
    "33 25 0:29 / %s/cpuset rw,nosuid - cgroup cgroup rw,cpuset\n"

static void test_version_one(void)
{
    begin();
    put_mounts(V1_MOUNTS);
    put("proc/cgroup",
        "3:pids:/p\n2:cpuset:/s\n9:cpu,cpuacct:/\n7:memory:/user/me\n1:name=systemd:/x\n");
    put("mem/user/me/tasks", "");
    put("cpu,cpuacct/tasks", "");
    put("pids/tasks", "");
    /* /p is not seen where pids are mounted: the mount point itself. */
    check_found("1 /mem/user/me/cleanroom-r1 /cpu,cpuacct/cleanroom-r1 /pids/cleanroom-r1");
    end();
}

/* What is mounted is a group of the hierarchy, as in a container. */
static void test_version_one_from_within(void)
{
    begin();
    put_mounts("30 25 0:26 /docker/ab %s/mem rw - cgroup cgroup rw,memory\n"
               "31 25 0:27 /docker/ab %s/cpu rw - cgroup cgroup rw,cpu\n"
               "32 25 0:27 /docker/ab %s/pids rw - cgroup cgroup rw,pids\n");
    put("proc/cgroup", "7:memory:/docker/ab/in\n6:cpu:/docker/ab\n5:pids:/docker/abc\n");
    put("mem/in/tasks", "");
    put("cpu/tasks", "");
    put("pids/c/tasks", ""); /* of /docker/ab/c, not of /docker/abc */
    put("pidsc/tasks", "");
    check_found("1 /mem/in/cleanroom-r1 /cpu/cleanroom-r1 /pids/cleanroom-r1");
    end();
}

static void test_some_of_version_one(void)
{
    begin();
    put_mounts("30 25 0:26 / %s/mem rw - cgroup cgroup rw,memory\n"
               "31 25 0:27 / %s/gone rw - cgroup cgroup rw,cpu\n");
    put("proc/cgroup", "7:memory:/\n6:cpu:/\n");
    put("mem/tasks", "");
    check_found("1 /mem/cleanroom-r1 - -");
    end();
}

static void test_version_one_of_others(void)
{
    begin();
    put_mounts(V1_MOUNTS);
    put("proc/cgroup", "7:memory:/\n");
    check_found("0 control groups of version 1 are root's alone");
    end();
}

/* The first mount of a hierarchy counts, however often it is mounted. */
static void test_mounted_twice(void)
{
    begin();
    put_mounts("30 25 0:26 / %s/mem rw - cgroup cgroup rw,memory\n"
               "31 25 0:26 / %s/again rw - cgroup cgroup rw,memory\n");
    put("proc/cgroup", "7:memory:/\n");
    put("mem/tasks", "");
    put("again/tasks", "");
    check_found("1 /mem/cleanroom-r1 - -");
    end();
}

#define V2_MOUNT "30 25 0:26 / %s/two rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"

/* A group with its kernel files. */
static void put_group(const char *dir, const char *can, const char *type)
{
    static const char *const files[] = {"cgroup.procs", "cgroup.subtree_control"};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        _cleanup_free_ char *name = xasprintf("%s/%s", dir, files[i]);
        put(name, "");
    }
    _cleanup_free_ char *list = xasprintf("%s/cgroup.controllers", dir);
    _cleanup_free_ char *kind = xasprintf("%s/cgroup.type", dir);
    put(list, can);
    if (type)
        put(kind, type);
}

/* We are in a group: what has limits is made beside it. */
static void test_version_two(void)
{
    begin();
    put_mounts(V2_MOUNT);
    put("proc/cgroup", "0::/user.slice/run.scope/me\n");
    put_group("two", "cpu memory pids\n", NULL);
    put_group("two/user.slice", "memory\n", "domain\n");
    put_group("two/user.slice/run.scope", "cpu memory pids\n", "domain\n");
    put_group("two/user.slice/run.scope/me", "memory\n", "domain\n");
    check_found("2 /two/user.slice/run.scope/cleanroom-r1");
    end();
}

static void test_version_two_at_its_root(void)
{
    begin();
    put_mounts(V2_MOUNT);
    put("proc/cgroup", "0::/\n");
    put_group("two", "cpuset cpu io memory pids\n", NULL);
    check_found("2 /two/cleanroom-r1");
    /* A group that looks like a root, in a container: it has processes and a type. */
    put_group("two", "memory\n", "domain\n");
    check_found("0 no control group above our own may be written to and limit memory");
    end();
}

static void test_version_two_without_memory(void)
{
    begin();
    put_mounts(V2_MOUNT);
    put("proc/cgroup", "0::/a/b\n");
    put_group("two", "cpu memory pids\n", NULL);
    put_group("two/a", "cpu memory_other pids\n", "domain\n");
    put_group("two/a/b", "memory\n", "domain\n");
    check_found("0 no control group above our own may be written to and limit memory");
    end();
}

/* With version 1 about, version 2 has no controllers. */
static void test_both(void)
{
    begin();
    put_mounts(V2_MOUNT V1_MOUNTS);
    put("proc/cgroup", "7:memory:/\n6:cpu:/\n5:pids:/\n0::/me\n");
    put_group("two", "memory\n", NULL);
    put("mem/tasks", "");
    put("cpu,cpuacct/tasks", "");
    put("pids/tasks", "");
    check_found("1 /mem/cleanroom-r1 /cpu,cpuacct/cleanroom-r1 /pids/cleanroom-r1");
    /* Version 1 may be there for systemd's names alone. */
    put_mounts(V2_MOUNT "33 25 0:29 / %s/systemd rw - cgroup cgroup rw,name=systemd\n");
    put("proc/cgroup", "1:name=systemd:/x\n0::/\n");
    check_found("2 /two/cleanroom-r1");
    end();
}

static void test_none(void)
{
    static const char *const mounts[] = {
        "", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n",
        /* Not a cgroup, though it is called so; cut off; without options. */
        "22 1 8:1 / %s/mem rw - tmpfs cgroup rw,memory\n", "22 1 - cgroup cgroup rw,memory\n",
        "22 1 8:1 / %s/mem rw - cgroup cgroup\n", "22 1 8:1 / %s/mem rw - cgroup", " - cgroup\n",
        "30 25 0:26 / %s/mem rw - cgroupfs cgroup rw,memory\n"};
    begin();
    check_found("0 no control groups are mounted"); /* no /proc at all */
    put("mem/tasks", "");
    put("proc/cgroup", "7:memory:/\n:\n::\n0\n");
    for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
        put_mounts(mounts[i]);
        _cleanup_free_ char *got = found();
        if (!check_str(got, "0 no control groups are mounted"))
            printf("# %s\n", mounts[i]);
    }
    end();
}

/* --- limits ---------------------------------------------------------------------------------- */

static void check_text(const char *name, const char *want)
{
    struct strbuf text _cleanup_strbuf_ = STRBUF_INIT;
    _cleanup_free_ char *path = xasprintf("%s/%s", top, name);
    (void)strbuf_read_file(&text, path, 4096);
    check_str(text.buf, want);
}

/* A directory that takes all files, as no control group would: what is written where. */
static void test_limits_of_version_two(void)
{
    const struct cgroup_limits limits = {.memory = 1 << 20, .cpu = 1500, .pids = 7};
    struct cgroup_places p = {.version = 2};
    _cleanup_strvec_ struct strvec procs = STRVEC_INIT;
    begin();
    strvec_pushf(&p.dirs, "%s/two/cleanroom-r1", top);
    put("two/cgroup.subtree_control", "");
    check_int(cgroup_make(&p, "c", &limits, &procs, NULL), 0);
    check_text("two/cgroup.subtree_control", "+pids");
    check_text("two/cleanroom-r1/c/memory.max", "1048576");
    check_text("two/cleanroom-r1/c/memory.swap.max", "1048576");
    check_text("two/cleanroom-r1/c/cpu.max", "150000 100000");
    check_text("two/cleanroom-r1/c/pids.max", "7");
    check_int(procs.len, 1);
    check(!cgroup_oom(&p, "c"));
    put("two/cleanroom-r1/c/memory.events", "low 0\nhigh 0\nmax 9\noom 1\noom_kill 0\n");
    check(!cgroup_oom(&p, "c"));
    put("two/cleanroom-r1/c/memory.events", "oom 1\noom_kill 12\noom_group_kill 0\n");
    check(cgroup_oom(&p, "c"));
    cgroup_places_deinit(&p);
    end();
}

static void test_limits_of_version_one(void)
{
    const struct cgroup_limits memory = {.memory = 4096}, pids = {.pids = 3};
    struct error err _cleanup_error_ = ERROR_INIT;
    struct cgroup_places p = {.version = 1};
    _cleanup_strvec_ struct strvec procs = STRVEC_INIT;
    begin();
    put("mem/tasks", "");
    strvec_pushf(&p.dirs, "%s/mem/cleanroom-r1", top);
    strvec_push(&p.dirs, "");
    strvec_push(&p.dirs, "");
    check_int(cgroup_make(&p, "c", &memory, &procs, &err), 0);
    check_text("mem/cleanroom-r1/c/memory.limit_in_bytes", "4096");
    check_text("mem/cleanroom-r1/c/memory.memsw.limit_in_bytes", "8192");
    check_int(procs.len, 1);
    check_int(cgroup_make(&p, "c", &pids, &procs, &err), -1);
    check_contains(err.message, "no 'pids' control group");
    check_int(cgroup_remove(&p, "c"), -1); /* it has files here */
    check_int(cgroup_remove(&p, "never made"), 0);
    cgroup_places_deinit(&p);
    end();
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_version_one),
                                       TAP(test_version_one_from_within),
                                       TAP(test_some_of_version_one),
                                       TAP(test_version_one_of_others),
                                       TAP(test_mounted_twice),
                                       TAP(test_version_two),
                                       TAP(test_version_two_at_its_root),
                                       TAP(test_version_two_without_memory),
                                       TAP(test_both),
                                       TAP(test_none),
                                       TAP(test_limits_of_version_two),
                                       TAP(test_limits_of_version_one),
                                       {0}});
}

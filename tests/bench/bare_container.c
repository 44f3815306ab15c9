/* SPDX-License-Identifier: Apache-2.0 */
/* What a container runtime does between fork and exec, in as few system calls as that takes. */
#include "bare.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

/* Says what failed, in the container's output, and ends the child. */
static void must(int result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "bare: %s: %s\n", what, strerror(errno));
    _exit(127);
}

/* --- the root file system */

static void make_root(const struct recipe *r, const char *scratch, const char *root)
{
    static const char *const parts[] = {"upper", "work", "root"};

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", scratch, parts[i]);
        must(mkdir(path, 0755), path);
    }
    _cleanup_free_ char *options = xasprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work",
                                             r->lower, scratch, scratch);
    must(mount("overlay", root, "overlay", 0, options), "overlay");
}

/* Below root, with the directories above it. */
static char *make_directory(const char *root, const char *path)
{
    char *full = xasprintf("%s%s", root, path);

    for (char *p = full + strlen(root) + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(full, 0755) < 0 && errno != EEXIST)
            must(-1, full);
        *p = '/';
    }
    if (mkdir(full, 0755) < 0 && errno != EEXIST)
        must(-1, full);
    return full;
}

static void make_volumes(const struct recipe *r, const char *scratch, const char *root)
{
    for (size_t i = 0; i < r->volumes.len; i++) {
        _cleanup_free_ char *source = xasprintf("%s/volume%zu", scratch, i);
        _cleanup_free_ char *target = make_directory(root, r->volumes.items[i]);
        struct stat st;

        must(stat(target, &st), target);
        must(mkdir(source, 0755), source);
        must(chown(source, st.st_uid, st.st_gid), source);
        must(chmod(source, st.st_mode & 07777), source);
        must(mount(source, target, NULL, MS_BIND, NULL), target);
    }
    for (size_t i = 0; i < r->tmpfs.len; i++) {
        size_t len = strcspn(r->tmpfs.items[i], " ");
        _cleanup_free_ char *path = xstrndup(r->tmpfs.items[i], len);
        _cleanup_free_ char *target = make_directory(root, path);
        must(mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV,
                   r->tmpfs.items[i] + len + (r->tmpfs.items[i][len] == ' ')),
             target);
    }
}

static void bind_file(const char *root, const char *source, const char *target, bool read_only)
{
    _cleanup_free_ char *full = xasprintf("%s%s", root, target);
    _cleanup_close_ int fd = open(full, O_CREAT | O_CLOEXEC | O_WRONLY, 0644);

    must(fd, full);
    must(mount(source, full, NULL, MS_BIND, NULL), full);
    if (read_only)
        must(mount(NULL, full, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), full);
}

static void bind_files(const struct recipe *r, const char *shared, const char *root)
{
    static const char *const names[] = {"hosts", "hostname", "resolv.conf"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        _cleanup_free_ char *source = xasprintf("%s/%s", shared, names[i]);
        _cleanup_free_ char *target = xasprintf("/etc/%s", names[i]);
        bind_file(root, source, target, false);
    }
    for (size_t i = 0; i < r->binds.len; i++) {
        size_t len = strcspn(r->binds.items[i], " ");
        _cleanup_free_ char *source = xstrndup(r->binds.items[i], len);
        bind_file(root, source, r->binds.items[i] + len + 1, true);
    }
}

/* --- the kernel's own file systems, from within */

static void mount_kernel(void)
{
    static const struct {
        const char *target, *type, *options;
        unsigned long flags;
    } mounts[] = {
        {"/proc", "proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC},
        {"/dev", "tmpfs", "mode=755,size=65536k", MS_NOSUID | MS_STRICTATIME},
        {"/dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5", MS_NOSUID | MS_NOEXEC},
        {"/dev/shm", "tmpfs", "mode=1777,size=65536k", MS_NOSUID | MS_NODEV | MS_NOEXEC},
        {"/dev/mqueue", "mqueue", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC},
        {"/sys", "sysfs", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY},
    };

    for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
        if (mkdir(mounts[i].target, 0755) < 0 && errno != EEXIST)
            must(-1, mounts[i].target);
        must(mount(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags,
                   mounts[i].options),
             mounts[i].target);
    }
}

static void make_devices(void)
{
    static const struct {
        const char *path;
        unsigned major, minor;
    } nodes[] = {{"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
                 {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};
    static const char *const links[][2] = {
        {"/proc/self/fd", "/dev/fd"},       {"/proc/self/fd/0", "/dev/stdin"},
        {"/proc/self/fd/1", "/dev/stdout"}, {"/proc/self/fd/2", "/dev/stderr"},
        {"/proc/kcore", "/dev/core"},       {"pts/ptmx", "/dev/ptmx"}};

    umask(0);
    for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
        must(mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)),
             nodes[i].path);
    for (size_t i = 0; i < ARRAY_SIZE(links); i++)
        must(symlink(links[i][0], links[i][1]), links[i][1]);
    umask(022);
}

static void mask_paths(void)
{
    static const char *const masked[] = {
        "/proc/asound",      "/proc/acpi",          "/proc/kcore",
        "/proc/keys",        "/proc/latency_stats", "/proc/timer_list",
        "/proc/sched_debug", "/proc/scsi",          "/sys/firmware"};
    static const char *const read_only[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                            "/proc/sysrq-trigger"};

    for (size_t i = 0; i < ARRAY_SIZE(masked); i++) {
        if (mount("/dev/null", masked[i], NULL, MS_BIND, NULL) == 0 || errno == ENOENT)
            continue;
        if (errno == ENOTDIR)
            must(mount("tmpfs", masked[i], "tmpfs", MS_RDONLY, "size=0k"), masked[i]);
        else
            must(-1, masked[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(read_only); i++) {
        if (mount(read_only[i], read_only[i], NULL, MS_BIND | MS_REC, NULL) < 0) {
            must(errno == ENOENT ? 0 : -1, read_only[i]);
            continue;
        }
        must(mount(NULL, read_only[i], NULL,
                   MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL),
             read_only[i]);
    }
}

/* --- who it is and what it may */

static void install_filter(const struct kit *kit)
{
    struct sock_fprog program = {.len = kit->filter_len, .filter = kit->filter};

    must((int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), "seccomp");
}

static void drop_privileges(const struct recipe *r, const struct kit *kit)
{
    enum {
        KEPT = 1U << CAP_CHOWN | 1U << CAP_DAC_OVERRIDE | 1U << CAP_FSETID | 1U << CAP_FOWNER |
               1U << CAP_MKNOD | 1U << CAP_NET_RAW | 1U << CAP_SETGID | 1U << CAP_SETUID |
               1U << CAP_SETPCAP | 1U << CAP_NET_BIND_SERVICE | 1U << CAP_SYS_CHROOT |
               1U << CAP_KILL | 1U << CAP_AUDIT_WRITE
    };
    const unsigned kept = KEPT | 1U << CAP_SETFCAP; /* 31: too much for an enum */
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{.effective = kept, .permitted = kept}, {0}};

    for (int cap = 0; cap <= CAP_LAST_CAP; cap++) {
        if (cap >= 32 || !(kept & 1U << cap))
            must(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0), "bounding set");
    }
    install_filter(kit);
    must(setgroups(r->gid ? 1 : 0, &r->gid), "setgroups");
    must(setresgid(r->gid, r->gid, r->gid), "setresgid");
    must(setresuid(r->uid, r->uid, r->uid), "setresuid");
    if (r->uid == 0)
        must((int)syscall(SYS_capset, &header, data), "capset");
}

/* --- all of it */

static void redirect(int out)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    must(null, "/dev/null");
    must(dup2(null, STDIN_FILENO), "dup2");
    must(dup2(out, STDOUT_FILENO), "dup2");
    must(dup2(out, STDERR_FILENO), "dup2");
    /* The holder executes nothing, so CLOEXEC would not do. */
    must(close_range(STDERR_FILENO + 1, ~0U, 0), "close_range");
}

__attribute__((noreturn)) static void become(const struct recipe *r, const struct kit *kit,
                                             const char *scratch, int out)
{
    _cleanup_free_ char *root = xasprintf("%s/root", scratch);

    redirect(out);
    must(setsid(), "setsid");
    must(sethostname(r->name, strlen(r->name)), "sethostname");
    make_root(r, scratch, root);
    make_volumes(r, scratch, root);
    bind_files(r, kit->shared, root);
    must(chdir(root), root);
    must((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
    must(umount2(".", MNT_DETACH), "the old root");
    must(chdir("/"), "/");
    mount_kernel();
    make_devices();
    mask_paths();
    drop_privileges(r, kit);
    if (r->argv.len == 0) {
        for (;;)
            pause();
    }
    must(chdir(r->directory), r->directory);
    environ = r->env.items;
    execvp(r->argv.items[0], r->argv.items);
    must(-1, r->argv.items[0]);
    _exit(127);
}

pid_t bare_start(const struct recipe *recipe, const struct kit *kit, const char *scratch,
                 int *pidfd, int *out)
{
    _cleanup_close_ int read_end = -1;
    _cleanup_close_ int write_end = -1;
    int ends[2];

    if (mkdir(scratch, 0755) < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    read_end = ends[0];
    write_end = ends[1];
    if (fcntl(read_end, F_SETFL, O_NONBLOCK) < 0)
        return -1;
    struct clone_args args = {
        .flags = CLONE_PIDFD | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
                 CLONE_NEWCGROUP,
        .pidfd = (uint64_t)(uintptr_t)pidfd,
        .exit_signal = SIGCHLD,
    };
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid == 0)
        become(recipe, kit, scratch, write_end);
    if (pid > 0)
        *out = TAKE_FD(read_end);
    return pid;
}

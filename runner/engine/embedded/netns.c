/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "engine/embedded/put.h"

static int bring_loopback_up(struct error *err)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int up = s < 0 ? -1 : ioctl(s, SIOCSIFFLAGS, &lo);
    if (up < 0)
        error_set_errno(err, ERROR_ENGINE, errno, "the loopback could not be brought up");
    if (s >= 0)
        close(s);
    return up;
}

/* As in Docker's containers: everybody may listen on 80, and ping. Best effort. */
static void allow_low_ports(void)
{
    (void)put_file("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0", 0);
    /* A user namespace does not know all groups. */
    if (put_file("/proc/sys/net/ipv4/ping_group_range", "0 2147483647", 0) < 0)
        (void)put_file("/proc/sys/net/ipv4/ping_group_range", "0 65535", 0);
}

static int bind_to(const char *path, struct error *err)
{
    if (put_file(path, "", 0600) < 0 || mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL) < 0)
        return error_set_errno(err, ERROR_ENGINE, errno,
                               "a network namespace could not be bound to '%s'", path);
    return 0;
}

static int make_here(const char *path, struct error *err)
{
    if (unshare(CLONE_NEWNET) < 0)
        return error_set_errno(err, ERROR_ENGINE, errno, "no network namespace could be made");
    if (bring_loopback_up(err) < 0)
        return -1;
    allow_low_ports();
    return bind_to(path, err);
}

static int make_in_child(const char *path, struct error *err)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(make_here(path, NULL) < 0 ? 1 : 0);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return error_set(err, ERROR_ENGINE, "no network namespace could be made");
    return 0;
}

int netns_make(const char *path, int home, struct error *err)
{
    if (home < 0)
        return make_in_child(path, err);
    int made = make_here(path, err);
    if (setns(home, CLONE_NEWNET) < 0)
        _exit(1);
    return made;
}

void netns_drop(const char *path)
{
    (void)umount2(path, MNT_DETACH);
    (void)unlink(path);
}

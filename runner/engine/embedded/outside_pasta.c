/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pasta does not say when it is ready: its default route in the namespace does, which is watched
 * from within. pasta itself has to stay outside, and finds the namespace by our /proc entry,
 * because that is where its AppArmor profile lets it look.
 */
#include "engine/embedded/outside_pasta.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cleanroom/clock.h>
#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

#define START_TIME (10 * NSEC_PER_SEC)

/* No port leads in, none to the host's loopback, nor does the gateway stand for the host. */
static const char *const options[] = {
    "--foreground",
    "--quiet",
    "--config-net",
    "--ns-ifname",
    "eth0",
    "--no-map-gw",
    "--no-netns-quit",
    "--runas",
    "0:0",
    "-t",
    "none",
    "-u",
    "none",
    "-T",
    "none",
    "-U",
    "none",
};

static void make_argv(const struct pasta *pasta, const char *netns, struct strvec *argv)
{
    strvec_push(argv, pasta->program);
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        strvec_push(argv, options[i]);
    if (pasta->forward_dns) {
        strvec_push(argv, "--dns-forward");
        strvec_push(argv, OUTSIDE_PASTA_RESOLVER);
    }
    strvec_push(argv, "--netns");
    strvec_push(argv, netns);
}

/* The child: waits until we are in the namespace. pasta ignores SIGPIPE by itself, and will not run
   where that was done for it. */
_Noreturn static void become_pasta(char *const *argv, int go, int err)
{
    char byte;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (read(go, &byte, 1) != 1 || null < 0)
        _exit(127);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    execv(argv[0], argv);
    dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static bool has_default_route(const char *buffer, size_t left)
{
    for (const struct nlmsghdr *h = (const void *)buffer; NLMSG_OK(h, left);
         h = NLMSG_NEXT(h, left)) {
        const struct rtmsg *route = NLMSG_DATA(h);
        if (h->nlmsg_type == RTM_NEWROUTE && route->rtm_dst_len == 0 &&
            route->rtm_type == RTN_UNICAST)
            return true;
    }
    return false;
}

static int watch_routes(const char *netns)
{
    int fd _cleanup_close_ = open(netns, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
        return -1;
    int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK,
                                  .nl_groups = RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE};
    if (s >= 0 && bind(s, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        close(s);
        return -1;
    }
    return s;
}

/* pasta gives up most of its own before it looks into our /proc entry, and may not when we have
   more than it (ptrace(2), access mode checking). */
static int drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return (int)syscall(SYS_capset, &header, none);
}

/* 1: its route is there; 0: it has ended; -1: neither in time. */
static int await_route(int routes, int pidfd)
{
    nsec_t deadline = clock_now() + START_TIME;
    for (;;) {
        struct pollfd fds[] = {{.fd = routes, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
        nsec_t now = clock_now();
        int n = now < deadline ? poll(fds, 2, (int)((deadline - now) / NSEC_PER_MSEC) + 1) : 0;
        if (n == 0)
            return -1;
        _Alignas(struct nlmsghdr) char buffer[8192];
        ssize_t len = recv(routes, buffer, sizeof(buffer), 0);
        if (len > 0 && has_default_route(buffer, (size_t)len))
            return 1;
        if (n > 0 && fds[1].revents)
            return 0;
    }
}

/* What it said last that says something. */
static char *last_words(int fd)
{
    char text[2048];
    ssize_t n = read(fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    struct strvec lines _cleanup_strvec_ = STRVEC_INIT;
    strvec_split(&lines, text, "\r\n");
    for (size_t i = lines.len; i > 0; i--)
        if (!strstr(lines.items[i - 1], "syslog"))
            return xstrdup(lines.items[i - 1]);
    return xstrdup("it said nothing");
}

static int await_pasta(const struct pasta *pasta, pid_t pid, int go, int words, struct error *err)
{
    int routes _cleanup_close_ = watch_routes(pasta->netns);
    int pidfd _cleanup_close_ = (int)syscall(SYS_pidfd_open, pid, 0);
    if (routes < 0 || pidfd < 0 || drop_capabilities() < 0 || write(go, "", 1) != 1)
        return error_set_errno(err, ERROR_ENGINE, errno, "could not look into '%s'", pasta->netns);
    int ready = await_route(routes, pidfd);
    if (ready > 0)
        return 0;
    if (ready < 0)
        return error_set(err, ERROR_ENGINE, "pasta did not connect a pod within %d s",
                         (int)(START_TIME / NSEC_PER_SEC));
    _cleanup_free_ char *said = last_words(words);
    return error_set(err, ERROR_ENGINE, "pasta could not connect a pod: %s", said);
}

int pasta_start(const struct pasta *pasta, struct error *err)
{
    pid_t pid = -1;
    struct strvec argv _cleanup_strvec_ = STRVEC_INIT;
    _cleanup_free_ char *netns = xasprintf("/proc/%d/ns/net", (int)getpid());
    int go[2] = {-1, -1}, words[2] = {-1, -1};
    make_argv(pasta, netns, &argv);
    if (pipe2(go, O_CLOEXEC) < 0 || pipe2(words, O_CLOEXEC | O_NONBLOCK) < 0 || (pid = fork()) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "could not begin pasta");
    if (pid == 0) {
        close(go[1]);
        become_pasta(argv.items, go[0], words[1]);
    }
    close(words[1]);
    int started = await_pasta(pasta, pid, go[1], words[0], err);
    close(go[0]);
    close(go[1]);
    close(words[0]);
    if (started < 0) {
        kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    return started;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"
#include "engine/embedded/outside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cleanroom/strbuf.h>

#include "engine/embedded/outside_link.h"
#include "engine/embedded/outside_nat.h"
#include "engine/embedded/outside_resolv.h"
#include "engine/embedded/tool.h"
#include "tap.h"

static void test_resolv(void)
{
    static const struct {
        const char *host, *upstream, *instead;
        bool ipv6;
        const char *want;
    } cases[] = {
        {"nameserver 192.0.2.53\nsearch a.test b.test\n", "", NULL, false,
         "nameserver 192.0.2.53\nsearch a.test b.test\n"},
        {"# a comment\n\tnameserver\t192.0.2.1 \r\nnameserver 127.0.0.1\nnameserver ::1\n"
         "nameserver 2001:db8::1\noptions edns0\nsortlist 1.2.3.4\n",
         "", NULL, true, "nameserver 192.0.2.1\nnameserver 2001:db8::1\noptions edns0\n"},
        {"nameserver 2001:db8::1\n", "", NULL, false,
         "# the host's name servers are on its loopback only\n"},
        {"nameserver 127.0.0.53\nsearch here\n", "nameserver 198.51.100.9\nsearch there\n", NULL,
         true, "nameserver 198.51.100.9\nsearch here\n"},
        {"nameserver fe80::1%eth0\nnameserver 0.0.0.0\nnameserver rubbish\nnameserverx 192.0.2.3\n",
         "nameserver 127.0.0.1", NULL, true,
         "# the host's name servers are on its loopback only\n"},
        {"nameserver 127.0.0.1\ndomain d\n", "", "169.254.1.53", true,
         "nameserver 169.254.1.53\ndomain d\n"},
        {"nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n",
         "", NULL, true, "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n"},
        {"", "", NULL, true, "# the host's name servers are on its loopback only\n"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *got = resolv_make(cases[i].host, cases[i].upstream, cases[i].instead,
                                               cases[i].ipv6);
        check_str(got, cases[i].want);
    }
}

static void test_names(void)
{
    _cleanup_free_ char *one = nat_device("k3v9x2", 0), *other = nat_device("k3v9x3", 0),
                        *last = nat_device("k3v9x2", 3999);
    check(strlen(last) <= 15);
    check(strcmp(one, other) != 0);
    check(strncmp(one, "clnr", 4) == 0 && strncmp(one, last, 11) == 0);
}

static void test_tools(void)
{
    _cleanup_free_ char *sh = process_find_tool("sh"),
                        *none = process_find_tool("no-such-tool-anywhere");
    check(sh && sh[0] == '/');
    check(none == NULL);
    struct strbuf said _cleanup_strbuf_ = STRBUF_INIT;
    const char *const echo[] = {sh, "-c", "read x; echo \"got $x\" >&2; echo more; exit 3", NULL};
    check_int(tool_run(echo, "input\nrest\n", &said), 3);
    check_str(said.buf, "got input");
    check_int(tool_run((const char *const[]){"/nowhere/at/all", NULL}, NULL, NULL), -1);
    check_int(tool_run((const char *const[]){sh, "-c", "kill -9 $$", NULL}, NULL, NULL), -1);
}

/* --- in network namespaces of the test's own: root there, whoever we are ------------------------
 */

/* A child in a network namespace, which does what it is told, step by step: a byte each way. */
struct child {
    pid_t pid;
    int socket;
};

static void child_spawn(struct child *c, int (*step)(int number), int flags)
{
    int pair[2];
    check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    c->pid = fork();
    if (c->pid == 0) {
        close(pair[0]);
        char wrong = unshare(flags) < 0;
        for (int number = 1; send(pair[1], &wrong, 1, MSG_NOSIGNAL) == 1; number++) {
            char go;
            if (recv(pair[1], &go, 1, 0) != 1)
                break;
            wrong = (char)step(number);
        }
        _exit(0);
    }
    close(pair[1]);
    c->socket = pair[0];
}

/* What the last step came to: 0 is well. */
static int child_result(const struct child *c)
{
    char wrong = -1;
    return recv(c->socket, &wrong, 1, 0) == 1 ? wrong : -1;
}

static int child_step(const struct child *c)
{
    return send(c->socket, "", 1, MSG_NOSIGNAL) == 1 ? child_result(c) : -1;
}

static void child_end(struct child *c)
{
    close(c->socket);
    check(waitpid(c->pid, NULL, 0) == c->pid);
}

#define GATEWAY 0x0a010001 /* 10.1.0.1 */
#define POD     0x0a010002

static struct sockaddr_in at(uint32_t address)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(9000), .sin_addr.s_addr = htonl(address)};
}

static int pod_step(int number)
{
    (void)number;
    struct sockaddr_in to = at(GATEWAY), from = {0};
    socklen_t len = sizeof(from);
    int s _cleanup_close_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(s, (struct sockaddr *)&to, sizeof(to)) < 0)
        return 1;
    if (getsockname(s, (struct sockaddr *)&from, &len) < 0 || from.sin_addr.s_addr != htonl(POD))
        return 2;
    return 0;
}

/* The host: connects a pod, which then reaches it. */
static int link_step(int number)
{
    (void)number;
    struct error err _cleanup_error_ = ERROR_INIT;
    struct child pod;
    child_spawn(&pod, pod_step, CLONE_NEWNET);
    _cleanup_free_ char *netns = xasprintf("/proc/%d/ns/net", pod.pid);
    int home _cleanup_close_ = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (child_result(&pod) != 0)
        return 3;
    struct link_pair pair = {
        .name = "clnr0", .netns = netns, .home = home, .address = POD, .gateway = GATEWAY};
    if (link_connect(&pair, &err) < 0)
        return 4;
    int s _cleanup_close_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in here = at(GATEWAY);
    if (bind(s, (struct sockaddr *)&here, sizeof(here)) < 0 || listen(s, 1) < 0)
        return 5;
    if (child_step(&pod) != 0)
        return 6;
    if (link_connect(&pair, &err) == 0 || !strstr(err.message, "'clnr0': File exists"))
        return 7;
    child_end(&pod);
    return 0;
}

static int root_flags(void)
{
    return CLONE_NEWNET | (geteuid() == 0 ? 0 : CLONE_NEWUSER);
}

static void test_link(void)
{
    struct child host;
    child_spawn(&host, link_step, root_flags());
    check_int(child_result(&host), 0);
    check_int(child_step(&host), 0);
    child_end(&host);
}

static int add_routes(const char *const *routes)
{
    _cleanup_free_ char *ip = process_find_tool("ip");
    const char *const up[] = {ip, "link", "set", "lo", "up", NULL};
    if (tool_run(up, NULL, NULL) != 0)
        return 1;
    for (; *routes; routes++) {
        const char *const add[] = {ip, "route", "add", *routes, "dev", "lo", NULL};
        if (tool_run(add, NULL, NULL) != 0)
            return 2;
    }
    return 0;
}

static int block_step(int number)
{
    (void)number;
    static const char *const some[] = {"10.0.16.0/24", "10.0.32.7", "10.0.48.0/20", NULL};
    static const char *const all[] = {"10.0.0.0/8", "172.16.0.0/13", "172.24.0.0/13", NULL};
    static const char *const rest[] = {"192.168.0.0/16", "100.64.0.0/10", NULL};
    struct error err _cleanup_error_ = ERROR_INIT;
    if (link_find_block(1, &err) != 0x0a001000 || add_routes(some) != 0)
        return 3;
    if (link_find_block(1, &err) != 0x0a004000 || link_find_block(0, &err) != 0x0a000000 ||
        link_find_block(4097, &err) != 0x0a004000 || add_routes(all) != 0)
        return 4;
    if (link_find_block(2, &err) != 0xc0a82000 || error_is_set(&err) || add_routes(rest) != 0)
        return 5;
    return link_find_block(2, &err) == 0 && err.kind == ERROR_ENGINE ? 0 : 6;
}

static void test_block(void)
{
    struct child host;
    child_spawn(&host, block_step, root_flags());
    check_int(child_result(&host), 0);
    check_int(child_step(&host), 0);
    child_end(&host);
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_resolv),
        TAP(test_names),
        TAP(test_tools),
        TAP(test_link),
        TAP(test_block),
        {0},
    });
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/outside_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include <cleanroom/vec.h>

/* --- messages -------------------------------------------------------------------------------- */

struct message {
    struct nlmsghdr header;
    char rest[1024];
};

static void *append(struct message *m, size_t len)
{
    size_t at = NLMSG_ALIGN(m->header.nlmsg_len);
    void *to = (char *)m + at;
    memset(to, 0, NLMSG_ALIGN(len));
    m->header.nlmsg_len = (uint32_t)(at + len);
    return to;
}

static void begin(struct message *m, uint16_t type, uint16_t flags, const void *body, size_t len)
{
    *m = (struct message){.header = {.nlmsg_len = NLMSG_HDRLEN,
                                     .nlmsg_type = type,
                                     .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags}};
    memcpy(append(m, len), body, len);
}

/* An attribute; with no value, the beginning of one that others are nested in. */
static struct rtattr *add(struct message *m, uint16_t type, const void *value, size_t len)
{
    struct rtattr *attr = append(m, RTA_LENGTH(len));
    attr->rta_type = type;
    attr->rta_len = (uint16_t)RTA_LENGTH(len);
    if (len > 0)
        memcpy(RTA_DATA(attr), value, len);
    return attr;
}

static void end_nested(struct message *m, struct rtattr *attr)
{
    attr->rta_len = (uint16_t)((char *)m + m->header.nlmsg_len - (char *)attr);
}

static void add_string(struct message *m, uint16_t type, const char *s)
{
    add(m, type, s, strlen(s) + 1);
}

static void add_address(struct message *m, uint16_t type, uint32_t address)
{
    uint32_t wire = htonl(address);
    add(m, type, &wire, sizeof(wire));
}

static int open_socket(void)
{
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
}

/* Sends, and waits for the kernel's word, which is there at once. Returns -1 with errno. */
static int ask(int s, const struct message *m)
{
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char rest[1024];
    } answer;
    if (send(s, m, m->header.nlmsg_len, 0) < 0)
        return -1;
    ssize_t n = recv(s, &answer, sizeof(answer), 0);
    if (n < 0)
        return -1;
    if ((size_t)n < NLMSG_LENGTH(sizeof(answer.error)) || answer.header.nlmsg_type != NLMSG_ERROR) {
        errno = EPROTO;
        return -1;
    }
    errno = -answer.error.error;
    return errno == 0 ? 0 : -1;
}

/* --- what is taken --------------------------------------------------------------------------- */

struct route {
    uint32_t address;
    unsigned bits;
};
struct routes {
    struct route *items;
    size_t len, cap;
};

static void note_route(struct routes *out, const struct nlmsghdr *h)
{
    const struct rtmsg *body = NLMSG_DATA(h);
    size_t left = RTM_PAYLOAD(h);
    if (h->nlmsg_type != RTM_NEWROUTE || body->rtm_family != AF_INET || body->rtm_dst_len == 0)
        return;
    for (const struct rtattr *a = RTM_RTA(body); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        uint32_t wire;
        if (a->rta_type != RTA_DST || RTA_PAYLOAD(a) != sizeof(wire))
            continue;
        memcpy(&wire, RTA_DATA(a), sizeof(wire));
        *vec_push(out) = (struct route){ntohl(wire), body->rtm_dst_len};
    }
}

/* Of all tables, the addresses of this host included. */
static int read_routes(struct routes *out)
{
    int s _cleanup_close_ = open_socket();
    struct message m;
    begin(&m, RTM_GETROUTE, NLM_F_DUMP, &(struct rtmsg){.rtm_family = AF_INET},
          sizeof(struct rtmsg));
    m.header.nlmsg_flags &= (uint16_t)~NLM_F_ACK;
    if (s < 0 || send(s, &m, m.header.nlmsg_len, 0) < 0)
        return -1;
    for (;;) {
        _Alignas(struct nlmsghdr) char buffer[32768];
        ssize_t n = recv(s, buffer, sizeof(buffer), 0);
        if (n <= 0)
            return -1;
        size_t left = (size_t)n;
        for (const struct nlmsghdr *h = (const void *)buffer; NLMSG_OK(h, left);
             h = NLMSG_NEXT(h, left)) {
            if (h->nlmsg_type == NLMSG_DONE)
                return 0;
            if (h->nlmsg_type == NLMSG_ERROR)
                return -1;
            note_route(out, h);
        }
    }
}

static uint32_t mask(unsigned bits)
{
    return UINT32_MAX << (32 - bits);
}

static bool is_taken(const struct routes *routes, uint32_t block)
{
    for (size_t i = 0; i < routes->len; i++) {
        const struct route *r = &routes->items[i];
        unsigned common = r->bits < LINK_BLOCK_BITS ? r->bits : LINK_BLOCK_BITS;
        if (((r->address ^ block) & mask(common)) == 0) /* routes have a bit at least */
            return true;
    }
    return false;
}

static const struct route private_ranges[] = {
    {0x0a000000, 8},  /* 10.0.0.0/8 */
    {0xac100000, 12}, /* 172.16.0.0/12 */
    {0xc0a80000, 16}, /* 192.168.0.0/16 */
    {0x64400000, 10}, /* 100.64.0.0/10 */
};

static uint32_t find_in(const struct route *range, const struct routes *routes, uint32_t seed)
{
    uint32_t count = 1U << (LINK_BLOCK_BITS - range->bits);
    for (uint32_t n = 0; n < count; n++) {
        uint32_t index = (seed + n) % count;
        uint32_t block = range->address + (index << (32 - LINK_BLOCK_BITS));
        if (!is_taken(routes, block))
            return block;
    }
    return 0;
}

uint32_t link_find_block(uint32_t seed, struct error *err)
{
    struct routes routes = {0};
    uint32_t found = 0;
    if (read_routes(&routes) < 0) {
        error_set_errno(err, ERROR_ENGINE, errno, "could not read this host's routes");
    } else {
        for (size_t i = 0; i < ARRAY_SIZE(private_ranges) && !found; i++)
            found = find_in(&private_ranges[i], &routes, seed);
        if (!found)
            error_set(err, ERROR_ENGINE,
                      "all private addresses are in use on this host: use --network pasta");
    }
    vec_deinit(&routes);
    return found;
}

/* --- the pair -------------------------------------------------------------------------------- */

static int make_pair(int s, const struct link_pair *pair, int netns)
{
    struct message m;
    begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &(struct ifinfomsg){0},
          sizeof(struct ifinfomsg));
    add_string(&m, IFLA_IFNAME, pair->name);
    struct rtattr *info = add(&m, IFLA_LINKINFO, NULL, 0);
    add_string(&m, IFLA_INFO_KIND, "veth");
    struct rtattr *data = add(&m, IFLA_INFO_DATA, NULL, 0);
    struct rtattr *peer = add(&m, VETH_INFO_PEER, NULL, 0);
    append(&m, sizeof(struct ifinfomsg));
    add_string(&m, IFLA_IFNAME, "eth0");
    add(&m, IFLA_NET_NS_FD, &netns, sizeof(netns));
    end_nested(&m, peer);
    end_nested(&m, data);
    end_nested(&m, info);
    return ask(s, &m);
}

static int bring_up(int s, unsigned device)
{
    struct message m;
    struct ifinfomsg body = {.ifi_index = (int)device, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    begin(&m, RTM_NEWLINK, 0, &body, sizeof(body));
    return ask(s, &m);
}

static int give_address(int s, unsigned device, uint32_t address)
{
    struct message m;
    struct ifaddrmsg body = {.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = device};
    begin(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
    add_address(&m, IFA_LOCAL, address);
    add_address(&m, IFA_ADDRESS, address);
    return ask(s, &m);
}

/* To one address on the device itself, or to everywhere by way of a gateway. */
static int add_route(int s, unsigned device, uint32_t to, uint32_t gateway)
{
    struct message m;
    struct rtmsg body = {.rtm_family = AF_INET,
                         .rtm_dst_len = to ? 32 : 0,
                         .rtm_table = RT_TABLE_MAIN,
                         .rtm_protocol = RTPROT_STATIC,
                         .rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
                         .rtm_type = RTN_UNICAST};
    begin(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
    if (to)
        add_address(&m, RTA_DST, to);
    if (gateway)
        add_address(&m, RTA_GATEWAY, gateway);
    add(&m, RTA_OIF, &device, sizeof(device));
    return ask(s, &m);
}

/* Returns -1 with errno. */
static int set_up_near(int s, const struct link_pair *pair)
{
    unsigned device = if_nametoindex(pair->name);
    if (device == 0 || give_address(s, device, pair->gateway) < 0 || bring_up(s, device) < 0 ||
        add_route(s, device, pair->address, 0) < 0)
        return -1;
    return 0;
}

static int set_up_far(const struct link_pair *pair)
{
    int s _cleanup_close_ = open_socket();
    unsigned device = if_nametoindex("eth0");
    if (s < 0 || device == 0 || give_address(s, device, pair->address) < 0 ||
        bring_up(s, device) < 0 || add_route(s, device, pair->gateway, 0) < 0 ||
        add_route(s, device, 0, pair->gateway) < 0)
        return -1;
    return 0;
}

int link_connect(const struct link_pair *pair, struct error *err)
{
    int netns _cleanup_close_ = open(pair->netns, O_RDONLY | O_CLOEXEC);
    int s _cleanup_close_ = open_socket();
    if (netns < 0 || s < 0 || make_pair(s, pair, netns) < 0)
        return error_set_errno(err, ERROR_ENGINE, errno,
                               "could not make the pair of network devices '%s'", pair->name);
    if (set_up_near(s, pair) < 0)
        return error_set_errno(err, ERROR_ENGINE, errno, "could not set up '%s'", pair->name);
    if (setns(netns, CLONE_NEWNET) < 0)
        return error_set_errno(err, ERROR_ENGINE, errno, "could not enter '%s'", pair->netns);
    int far = set_up_far(pair), failure = errno;
    if (setns(pair->home, CLONE_NEWNET) < 0)
        _exit(1);
    if (far < 0)
        return error_set_errno(err, ERROR_ENGINE, failure, "could not set up the far end of '%s'",
                               pair->name);
    return 0;
}

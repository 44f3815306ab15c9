/* SPDX-License-Identifier: Apache-2.0 */
#include "satellite/relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "satellite/word.h"

#define BACKLOG      4096
#define PAIRS_MAX    500
#define BUFFER_BYTES 16384
#define DATAGRAMS    256 /* in one step: others want their turn too */

/* What goes one way: from fd[i] of its pair to the other one. */
struct way {
    size_t at, len; /* of the buffer: what is still to be written */
    bool ended;     /* nothing more comes in */
    bool shut;      /* and the other end knows */
    char buffer[BUFFER_BYTES];
};

struct relay_pair {
    int fd[2]; /* who came to us, and the service */
    bool connecting;
    struct way way[2];
};

static int listen_at(const struct sockaddr *at, socklen_t size, int type)
{
    _cleanup_close_ int fd = socket(at->sa_family, type | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, at, size) < 0 || (type == SOCK_STREAM && listen(fd, BACKLOG) < 0))
        return -1;
    return TAKE_FD(fd);
}

static int listen_at_port(const char *text, in_addr_t address, int type)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    uint16_t port;

    if (word_port(text, &port) < 0)
        return -1;
    at.sin_port = htons(port);
    return listen_at((const struct sockaddr *)&at, sizeof(at), type);
}

static int parse_path(const char *text, struct sockaddr_un *out)
{
    size_t len = strlen(text);

    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (len >= sizeof(out->sun_path))
        return -1;
    memcpy(out->sun_path, text, len);
    return 0;
}

static int listen_at_path(const char *text, int type)
{
    struct sockaddr_un at;

    if (type != SOCK_STREAM || parse_path(text, &at) < 0)
        return -1;
    return listen_at((const struct sockaddr *)&at, sizeof(at), type);
}

static int handed(const char *text)
{
    long number = strtol(text, NULL, 10);

    return number >= 3 && number <= INT16_MAX ? (int)number : -1;
}

static int open_from(const char *from, int type)
{
    switch (*from) {
    case '@':
        return listen_at_port(from + 1, INADDR_ANY, type);
    case '=':
        return listen_at_port(from + 1, INADDR_LOOPBACK, type);
    case '/':
        return listen_at_path(from, type);
    default:
        return handed(from);
    }
}

int relay_init(struct relay *r, char *text)
{
    *r = (struct relay){.fd = -1, .out = -1};
    const char *from = word_cut(&text), *to = from ? word_cut(&text) : NULL;

    if (!to)
        return -1;
    r->udp = strcmp(text, "udp") == 0;
    if (!r->udp && strcmp(text, "tcp") != 0)
        return -1;
    if (*to == '/' && !r->udp ? parse_path(to, &r->path) < 0 : word_port(to, &r->port) < 0)
        return -1;
    r->fd = open_from(from, r->udp ? SOCK_DGRAM : SOCK_STREAM);
    int flags = r->fd < 0 ? -1 : fcntl(r->fd, F_GETFL);
    return flags < 0 ? -1 : fcntl(r->fd, F_SETFL, flags | O_NONBLOCK);
}

static void pair_free(struct relay_pair *pair)
{
    close(pair->fd[0]);
    close(pair->fd[1]);
    free(pair);
}

void relay_deinit(struct relay *r)
{
    for (size_t i = 0; i < r->pairs.len; i++)
        pair_free(r->pairs.items[i]);
    vec_deinit(&r->pairs);
    if (r->fd >= 0)
        close(r->fd);
    if (r->out >= 0)
        close(r->out);
}

/* --- what is waited for ---------------------------------------------------------------------- */

size_t relay_count(const struct relay *r)
{
    return 1 + 2 * r->pairs.len;
}

static short events_of(const struct relay_pair *pair, int end)
{
    const struct way *from = &pair->way[end], *to = &pair->way[1 - end];

    if (pair->connecting)
        return end == 1 ? POLLOUT : 0;
    return (short)((!from->ended && from->len == 0 ? POLLIN : 0) | (to->len ? POLLOUT : 0));
}

void relay_prepare(struct relay *r, struct pollfd *polled)
{
    bool room = r->pairs.len < PAIRS_MAX;

    polled[0] = (struct pollfd){.fd = room ? r->fd : -1, .events = POLLIN};
    r->polled = r->pairs.len;
    for (size_t i = 0; i < r->pairs.len; i++) {
        for (int end = 0; end < 2; end++) {
            short events = events_of(r->pairs.items[i], end);
            /* Who is not listened to cannot wake us up by hanging up. */
            polled[1 + 2 * i + (size_t)end] = (struct pollfd){
                .fd = events ? r->pairs.items[i]->fd[end] : -1, .events = events};
        }
    }
}

/* --- connections ----------------------------------------------------------------------------- */

static struct sockaddr_in service(const struct relay *r)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(r->port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Returns false when the pair is of no use any more. */
static bool pass_on(struct relay_pair *pair, int end)
{
    struct way *way = &pair->way[end];

    if (!way->ended && way->len == 0) {
        ssize_t n = read(pair->fd[end], way->buffer, sizeof(way->buffer));
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        way->ended = n == 0;
        way->at = 0;
        way->len = n > 0 ? (size_t)n : 0;
    }
    while (way->len) {
        ssize_t n = write(pair->fd[1 - end], way->buffer + way->at, way->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        way->at += (size_t)n;
        way->len -= (size_t)n;
    }
    if (way->ended && !way->shut) {
        way->shut = true;
        (void)shutdown(pair->fd[1 - end], SHUT_WR);
    }
    return true;
}

static bool step_pair(struct relay_pair *pair, const struct pollfd *polled)
{
    int failure = 0;
    socklen_t size = sizeof(failure);

    if (!polled[0].revents && !polled[1].revents)
        return true;
    if (pair->connecting) {
        if (getsockopt(pair->fd[1], SOL_SOCKET, SO_ERROR, &failure, &size) < 0 || failure)
            return false;
        pair->connecting = false;
    }
    if (!pass_on(pair, 0) || !pass_on(pair, 1))
        return false;
    return !pair->way[0].shut || !pair->way[1].shut;
}

/* A socket that is, or is about to be, connected to where it goes; or -1. */
static int call_service(const struct relay *r, bool *connecting)
{
    const struct sockaddr_in port = service(r);
    const struct sockaddr *to = r->port ? (const struct sockaddr *)&port
                                        : (const struct sockaddr *)&r->path;
    socklen_t size = r->port ? sizeof(port) : sizeof(r->path);
    _cleanup_close_ int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc = fd < 0 ? -1 : connect(fd, to, size);

    *connecting = rc < 0 && errno == EINPROGRESS;
    return rc < 0 && !*connecting ? -1 : TAKE_FD(fd);
}

/* Returns whether somebody came. Whom the service does not take he is hung up on. */
static bool take_one(struct relay *r)
{
    bool connecting;
    int fd = accept4(r->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return false;
    int other = call_service(r, &connecting);
    if (other < 0) {
        close(fd);
        return true;
    }

    struct relay_pair *pair = xcalloc(1, sizeof(*pair));
    pair->fd[0] = fd;
    pair->fd[1] = other;
    pair->connecting = connecting;
    *vec_push(&r->pairs) = pair;
    return true;
}

static bool step_stream(struct relay *r, const struct pollfd *polled)
{
    bool arrived = false;

    /* From the end, for a pair that goes makes room for the last one. */
    for (size_t i = r->polled; i-- > 0;) {
        const struct pollfd *p = &polled[1 + 2 * i];
        arrived |= p[0].revents || p[1].revents;
        if (step_pair(r->pairs.items[i], p))
            continue;
        pair_free(r->pairs.items[i]);
        r->pairs.items[i] = r->pairs.items[--r->pairs.len];
    }
    while (polled[0].revents && r->pairs.len < PAIRS_MAX && take_one(r))
        arrived = true;
    return arrived;
}

/* --- datagrams ------------------------------------------------------------------------------- */

static bool step_datagrams(struct relay *r)
{
    const struct sockaddr_in to = service(r);
    char datagram[65536];
    int taken = 0;

    if (r->out < 0)
        r->out = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    for (; taken < DATAGRAMS; taken++) {
        ssize_t n = recv(r->fd, datagram, sizeof(datagram), 0);
        if (n < 0)
            break;
        /* As on any network: who cannot take it has lost it. */
        (void)sendto(r->out, datagram, (size_t)n, 0, (const struct sockaddr *)&to, sizeof(to));
    }
    return taken > 0;
}

bool relay_step(struct relay *r, const struct pollfd *polled)
{
    if (!r->udp)
        return step_stream(r, polled);
    return polled[0].revents && step_datagrams(r);
}

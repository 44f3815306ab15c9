/* SPDX-License-Identifier: Apache-2.0 */
#include "satellite/prober.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define ATTEMPT_TIMEOUT NSEC_PER_SEC
#define PAUSE_FIRST     NSEC_PER_MSEC
#define PAUSE_LONGEST   (10 * NSEC_PER_MSEC)
#define REPLY_MAX       65536

/* Cuts the next word off *text at a colon; NULL when there is none. */
static char *cut(char **text)
{
    char *word = *text, *colon = strchr(word, ':');

    if (!colon)
        return NULL;
    *colon = '\0';
    *text = colon + 1;
    return word;
}

static int parse_port(const char *text, uint16_t *port)
{
    size_t len = strspn(text, "0123456789");
    unsigned long value = len > 0 && len <= 5 && !text[len] ? strtoul(text, NULL, 10) : 0;

    if (value == 0 || value > UINT16_MAX)
        return -1;
    *port = (uint16_t)value;
    return 0;
}

int prober_init(struct prober *p, char *text, nsec_t now)
{
    *p = (struct prober){.fd = -1, .wake = now, .pause = PAUSE_FIRST};
    strbuf_init(&p->request, 0);
    strbuf_init(&p->reply, REPLY_MAX);

    p->name = cut(&text);
    const char *kind = p->name ? cut(&text) : NULL;
    const char *port = kind ? cut(&text) : NULL;
    const struct provider *provider = port ? provider_find(kind) : NULL;

    if (!provider || !provider->probe || !*p->name || strpbrk(p->name, " \n") ||
        parse_port(port, &p->port) < 0)
        return -1;
    p->probe = provider->probe;
    return p->probe->request(text, &p->request);
}

static void hang_up(struct prober *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    strbuf_reset(&p->reply);
    p->reply.overflow = false;
    p->sent = 0;
}

void prober_deinit(struct prober *p)
{
    hang_up(p);
    strbuf_deinit(&p->request);
    strbuf_deinit(&p->reply);
}

/* Ends the attempt: the next one after a pause, which grows by 1.3 (1 ms to 10 ms in ten steps). */
static void retry(struct prober *p, const char *reason, nsec_t now)
{
    hang_up(p);
    p->state = PROBER_PAUSED;
    p->wake = now + p->pause;
    p->pause += p->pause * 3 / 10;
    if (p->pause > PAUSE_LONGEST)
        p->pause = PAUSE_LONGEST;

    if (strcmp(p->reason, reason) == 0)
        return;
    snprintf(p->reason, sizeof(p->reason), "%s", reason);
    p->changed = true;
}

static void retry_errno(struct prober *p, int errnum, nsec_t now)
{
    /* Not strerror(): in a static binary it brings the machinery of translations along. */
    const char *text = strerrordesc_np(errnum);
    char reason[sizeof(p->reason)];

    snprintf(reason, sizeof(reason), "%s", text ? text : "unknown error");
    if (reason[0] >= 'A' && reason[0] <= 'Z')
        reason[0] = (char)(reason[0] | 0x20);
    retry(p, reason, now);
}

static void start(struct prober *p, nsec_t now)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(p->port)};

    inet_pton(AF_INET, p->probe->address, &to.sin_addr);
    p->wake = now + ATTEMPT_TIMEOUT;
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->fd < 0) {
        retry_errno(p, errno, now);
        return;
    }
    if (connect(p->fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
        p->state = PROBER_SENDING;
    else if (errno == EINPROGRESS)
        p->state = PROBER_CONNECTING;
    else
        retry_errno(p, errno, now);
}

static void finish_connect(struct prober *p, nsec_t now)
{
    int errnum = 0;
    socklen_t len = sizeof(errnum);

    if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0)
        errnum = errno;
    if (errnum)
        retry_errno(p, errnum, now);
    else
        p->state = PROBER_SENDING;
}

static void send_request(struct prober *p, nsec_t now)
{
    ssize_t n = send(p->fd, p->request.buf + p->sent, p->request.len - p->sent, MSG_NOSIGNAL);

    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            retry_errno(p, errno, now);
        return;
    }
    p->sent += (size_t)n;
    if (p->sent == p->request.len)
        p->state = PROBER_READING;
}

static void set_ready(struct prober *p)
{
    hang_up(p);
    p->state = PROBER_READY;
    p->wake = NSEC_INFINITY;
    p->changed = true;
}

static void judge(struct prober *p, nsec_t now)
{
    char why[sizeof(p->reason)] = "";

    switch (p->probe->answer((const unsigned char *)p->reply.buf, p->reply.len, why, sizeof(why))) {
    case PROBE_READY:
        set_ready(p);
        break;
    case PROBE_NOT_YET:
    case PROBE_WRONG:
        retry(p, *why ? why : "not ready", now);
        break;
    case PROBE_MORE:
        break;
    }
}

static void read_reply(struct prober *p, nsec_t now)
{
    char bytes[4096];
    ssize_t n = recv(p->fd, bytes, sizeof(bytes), 0);

    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            retry_errno(p, errno, now);
    } else if (n == 0) {
        retry(p, p->reply.len ? "closed within its answer" : "closed without an answer", now);
    } else if (strbuf_add(&p->reply, bytes, (size_t)n) < 0) {
        retry(p, "its answer has no end", now);
    } else {
        judge(p, now);
    }
}

short prober_events(const struct prober *p)
{
    switch (p->state) {
    case PROBER_CONNECTING:
    case PROBER_SENDING:
        return POLLOUT;
    case PROBER_READING:
        return POLLIN;
    case PROBER_PAUSED:
    case PROBER_READY:
        break;
    }
    return 0;
}

void prober_step(struct prober *p, short revents, nsec_t now)
{
    if (p->state == PROBER_PAUSED && now >= p->wake)
        start(p, now);
    else if (p->state == PROBER_CONNECTING && revents)
        finish_connect(p, now);
    else if (p->state == PROBER_READING && revents)
        read_reply(p, now);

    /* On loopback a connection is there at once: no need to poll before sending. */
    if (p->state == PROBER_SENDING)
        send_request(p, now);
    if (p->fd >= 0 && now >= p->wake)
        retry(p,
              p->state == PROBER_CONNECTING ? "no connection within 1 s" : "no answer within 1 s",
              now);
}

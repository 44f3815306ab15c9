/* SPDX-License-Identifier: Apache-2.0 */
#include "satellite/prober.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "satellite/word.h"

#define ATTEMPT_TIMEOUT NSEC_PER_SEC
#define PAUSE_FIRST     NSEC_PER_MSEC
#define PAUSE_LONGEST   (10 * NSEC_PER_MSEC)
#define REPLY_MAX       65536

int prober_init(struct prober *p, char *text, const char *(*password)(const char *name), nsec_t now)
{
    *p = (struct prober){.fd = -1, .wake = now, .pause = PAUSE_FIRST};
    strbuf_init(&p->request, 0);
    strbuf_init(&p->rekey, 0);
    strbuf_init(&p->reply, REPLY_MAX);

    p->name = word_cut(&text);
    const char *kind = p->name ? word_cut(&text) : NULL;
    const char *port = kind ? word_cut(&text) : NULL;

    p->probe = port ? probe_find(kind) : NULL;
    if (!p->probe || !*p->name || strpbrk(p->name, " \n") || word_port(port, &p->port) < 0)
        return -1;
    p->arg = text;
    const char *secret = password ? password(p->name) : NULL;
    if (secret && (!p->probe->rekey || p->probe->rekey(text, secret, &p->rekey) < 0))
        return -1;
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
    strbuf_deinit(&p->rekey);
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
    char reason[sizeof(p->reason)];

    word_errno(errnum, reason, sizeof(reason));
    retry(p, reason, now);
}

struct place {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_un un;
    };
    socklen_t len;
};

static void find_place(const struct prober *p, struct place *to)
{
    *to = (struct place){0};
    if (!p->rekeying) {
        to->in.sin_family = AF_INET;
        to->in.sin_port = htons(p->port);
        inet_pton(AF_INET, p->probe->address, &to->in.sin_addr);
        to->len = sizeof(to->in);
        return;
    }
    /* "@NAME" is, as in PostgreSQL, the abstract name: a NUL and NAME, as long as it is. */
    const char *port = strstr(p->probe->socket, "%u");
    int len = snprintf(to->un.sun_path, sizeof(to->un.sun_path), "%.*s%u",
                       (int)(port - p->probe->socket), p->probe->socket, p->port);
    to->un.sun_family = AF_UNIX;
    to->un.sun_path[0] = '\0';
    to->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len);
}

static void start(struct prober *p, nsec_t now)
{
    struct place to;

    find_place(p, &to);
    p->wake = now + ATTEMPT_TIMEOUT;
    p->fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->fd < 0) {
        retry_errno(p, errno, now);
        return;
    }
    if (connect(p->fd, &to.any, to.len) == 0)
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
    const struct strbuf *what = p->rekeying ? &p->rekey : &p->request;
    ssize_t n = send(p->fd, what->buf + p->sent, what->len - p->sent, MSG_NOSIGNAL);

    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            retry_errno(p, errno, now);
        return;
    }
    p->sent += (size_t)n;
    if (p->sent < what->len)
        return;
    p->state = PROBER_READING;
    if (p->probe->quiet_ms)
        p->wake = now + p->probe->quiet_ms * NSEC_PER_MSEC;
}

static void finish(struct prober *p, enum prober_state state)
{
    hang_up(p);
    p->state = state;
    p->wake = NSEC_INFINITY;
    p->changed = true;
}

static enum probe_verdict ask_probe(const struct prober *p, char *why, size_t size)
{
    const unsigned char *data = (const unsigned char *)p->reply.buf;

    if (p->rekeying)
        return p->probe->rekeyed(data, p->reply.len, why, size);
    if (p->probe->answer_to)
        return p->probe->answer_to(p->arg, data, p->reply.len, why, size);
    return p->probe->answer(data, p->reply.len, why, size);
}

static void judge(struct prober *p, nsec_t now)
{
    char why[sizeof(p->reason)] = "";
    enum probe_verdict verdict = ask_probe(p, why, sizeof(why));

    if (verdict == PROBE_MORE)
        return;
    if (verdict == PROBE_READY && !p->rekeying && p->rekey.len) {
        hang_up(p);
        p->rekeying = true;
        start(p, now);
    } else if (verdict == PROBE_READY) {
        finish(p, PROBER_READY);
    } else if (verdict == PROBE_WRONG && p->rekeying) {
        snprintf(p->reason, sizeof(p->reason), "%s", why);
        finish(p, PROBER_REFUSED);
    } else {
        retry(p, *why ? why : "not ready", now);
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
    case PROBER_REFUSED:
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
    if (p->fd < 0 || now < p->wake)
        return;
    if (p->state == PROBER_READING && p->probe->quiet_ms)
        finish(p, PROBER_READY);
    else
        retry(p,
              p->state == PROBER_CONNECTING ? "no connection within 1 s" : "no answer within 1 s",
              now);
}

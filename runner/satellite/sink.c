/* SPDX-License-Identifier: Apache-2.0 */
#include "satellite/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "satellite/proxy.h"
#include "satellite/syslog.h"
#include "satellite/word.h"

#define CLIENTS_MAX   200
#define DATAGRAMS_MAX 256 /* at one go */
#define BACKLOG       128
#define CHUNK         16384
#define DATAGRAM_MAX  65536
#define MAIL_BYTES    ((size_t)100 << 20)
#define MAIL_MESSAGES 5000
#define LOG_BYTES     ((size_t)64 << 20)
#define QUEUE_BYTES   (8 << 20) /* of datagrams that are not read yet */
#define LINGER        NSEC_PER_SEC

struct sink_client {
    int fd;
    struct strbuf out; /* not sent yet */
    bool over;         /* we have said our last word */
    bool shut;         /* and it was sent */
    bool gone;
    nsec_t heard; /* when, last */
    union {
        struct smtp smtp;
        struct syslog_stream syslog;
        struct proxy proxy;
    };
};

/* --- what is written ------------------------------------------------------------------------- */

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Whole lines. When there is no more room for them, one says so. */
static void log_lines(struct sink_server *s, const struct strbuf *lines)
{
    static const char full[] = "(the log is full: what came later is left out)\n";

    if (lines->len <= s->room) {
        (void)write_all(s->file, lines->buf, lines->len);
        s->room -= lines->len;
    } else if (s->room) {
        (void)write_all(s->file, full, sizeof(full) - 1);
        s->room = 0;
    }
}

/* Complete when it has its name. The app may have written there itself. */
static int keep_message(void *data, const struct strbuf *message, char *name, size_t size)
{
    static const char partial[] = ".partial";
    struct sink_server *s = data;
    _cleanup_close_ int fd = openat(s->file, partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                                    0644);
    int rc = fd < 0 ? -1 : write_all(fd, message->buf, message->len);

    while (rc == 0) {
        (void)snprintf(name, size, "%03u.eml", ++s->number);
        if (renameat2(s->file, partial, s->file, name, RENAME_NOREPLACE) == 0)
            return 0;
        rc = errno == EEXIST ? 0 : -1;
    }
    (void)unlinkat(s->file, partial, 0);
    return -1;
}

/* --- what each kind does --------------------------------------------------------------------- */

static void begin_smtp(struct sink_server *s, struct sink_client *c)
{
    smtp_init(&c->smtp, &s->store, &c->out);
}

static void feed_smtp(struct sink_server *s, struct sink_client *c, const void *bytes, size_t len)
{
    (void)s;
    smtp_feed(&c->smtp, bytes, len, &c->out);
    c->over = c->smtp.state == SMTP_QUIT;
}

static void end_smtp(struct sink_server *s, struct sink_client *c)
{
    (void)s;
    smtp_deinit(&c->smtp);
}

static void begin_syslog(struct sink_server *s, struct sink_client *c)
{
    (void)s;
    syslog_init(&c->syslog);
}

static void feed_syslog(struct sink_server *s, struct sink_client *c, const void *bytes, size_t len)
{
    _cleanup_strbuf_ struct strbuf lines = STRBUF_INIT;

    syslog_feed(&c->syslog, bytes, len, &lines);
    log_lines(s, &lines);
}

static void end_syslog(struct sink_server *s, struct sink_client *c)
{
    _cleanup_strbuf_ struct strbuf lines = STRBUF_INIT;

    syslog_end(&c->syslog, &lines);
    log_lines(s, &lines);
    syslog_deinit(&c->syslog);
}

static void begin_proxy(struct sink_server *s, struct sink_client *c)
{
    (void)s;
    proxy_init(&c->proxy);
}

static void feed_proxy(struct sink_server *s, struct sink_client *c, const void *bytes, size_t len)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

    proxy_feed(&c->proxy, bytes, len, clock_wall(), &line, &c->out);
    log_lines(s, &line);
    c->over = c->proxy.answered;
}

static void end_proxy(struct sink_server *s, struct sink_client *c)
{
    (void)s;
    proxy_deinit(&c->proxy);
}

static const struct kind {
    int type;
    void (*begin)(struct sink_server *s, struct sink_client *c);
    void (*feed)(struct sink_server *s, struct sink_client *c, const void *bytes, size_t len);
    void (*end)(struct sink_server *s, struct sink_client *c);
} kinds[] = {
    [SINK_SMTP] = {SOCK_STREAM, begin_smtp, feed_smtp, end_smtp},
    [SINK_SYSLOG_UDP] = {SOCK_DGRAM, NULL, NULL, NULL},
    [SINK_SYSLOG_TCP] = {SOCK_STREAM, begin_syslog, feed_syslog, end_syslog},
    [SINK_PROXY] = {SOCK_STREAM, begin_proxy, feed_proxy, end_proxy},
};

/* --- clients --------------------------------------------------------------------------------- */

static void client_free(struct sink_server *s, struct sink_client *c)
{
    kinds[s->kind].end(s, c);
    strbuf_deinit(&c->out);
    close(c->fd);
    free(c);
}

static void send_out(struct sink_client *c)
{
    while (c->out.len) {
        ssize_t n = send(c->fd, c->out.buf, c->out.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            c->gone = errno != EAGAIN;
            return;
        }
        strbuf_consume(&c->out, (size_t)n);
    }
    /* To hang up before the client has said everything would destroy what it has not read yet. */
    if (c->over && !c->shut) {
        c->shut = true;
        c->gone = shutdown(c->fd, SHUT_WR) < 0;
    }
}

static bool read_client(struct sink_server *s, struct sink_client *c, nsec_t now)
{
    char bytes[CHUNK];
    ssize_t n = recv(c->fd, bytes, sizeof(bytes), 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        c->gone = true;
        return true;
    }
    if (!c->over) {
        kinds[s->kind].feed(s, c, bytes, (size_t)n);
        c->heard = now;
    }
    return true;
}

static bool step_client(struct sink_server *s, struct sink_client *c, short revents, nsec_t now)
{
    bool arrived = false;

    /* Who does not read our answers is not listened to. */
    if (revents && c->out.len == 0)
        arrived = read_client(s, c, now);
    if (!c->gone)
        send_out(c);
    c->gone = c->gone || (c->shut && now >= c->heard + LINGER);
    return arrived;
}

static void drop_gone(struct sink_server *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->clients.len; i++) {
        struct sink_client *c = s->clients.items[i];
        if (c->gone)
            client_free(s, c);
        else
            s->clients.items[kept++] = c;
    }
    s->clients.len = kept;
}

static void make_room(struct sink_server *s)
{
    struct sink_client *oldest = NULL;

    if (s->clients.len < CLIENTS_MAX)
        return;
    for (size_t i = 0; i < s->clients.len; i++) {
        struct sink_client *c = s->clients.items[i];
        if (!oldest || c->heard < oldest->heard)
            oldest = c;
    }
    oldest->gone = true;
    drop_gone(s);
}

static bool take_client(struct sink_server *s, nsec_t now)
{
    int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return false;
    make_room(s);
    struct sink_client *c = xcalloc(1, sizeof(*c));
    c->fd = fd;
    c->heard = now;
    strbuf_init(&c->out, 0);
    kinds[s->kind].begin(s, c);
    send_out(c);
    *vec_push(&s->clients) = c;
    return true;
}

/* The kernel's queue is not endless, and whoever sends datagrams is not told. */
static void note_lost(struct sink_server *s, struct strbuf *lines)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof(info);

    if (getsockopt(s->fd, SOL_SOCKET, SO_MEMINFO, info, &size) < 0 ||
        info[SK_MEMINFO_DROPS] == s->lost)
        return;
    strbuf_addf(lines, "(%u messages were lost: they came faster than they could be read)\n",
                info[SK_MEMINFO_DROPS] - s->lost);
    s->lost = info[SK_MEMINFO_DROPS];
}

/* Each is a message. */
static bool take_datagrams(struct sink_server *s)
{
    _cleanup_strbuf_ struct strbuf lines = STRBUF_INIT;
    _cleanup_free_ char *bytes = xmalloc(DATAGRAM_MAX);
    int count = 0;

    for (; count < DATAGRAMS_MAX; count++) {
        ssize_t n = recv(s->fd, bytes, DATAGRAM_MAX, 0);
        if (n < 0)
            break;
        syslog_add(&lines, bytes, (size_t)n);
    }
    if (count < DATAGRAMS_MAX)
        note_lost(s, &lines);
    log_lines(s, &lines);
    return count > 0;
}

/* --- the sink -------------------------------------------------------------------------------- */

int sink_server_init(struct sink_server *s, char *text)
{
    *s = (struct sink_server){.fd = -1, .file = -1, .room = LOG_BYTES};
    s->name = word_cut(&text);
    const char *kind = s->name ? word_cut(&text) : NULL;
    const char *port = kind ? word_cut(&text) : NULL;

    if (!port)
        return -1;
    for (size_t i = SINK_NONE + 1; i < ARRAY_SIZE(kinds); i++) {
        if (strcmp(sink_words[i], kind) == 0)
            s->kind = (enum sink_kind)i;
    }
    s->dir = text;
    if (s->kind == SINK_NONE || !*s->name || strpbrk(s->name, " \n") || *text != '/')
        return -1;
    return word_port(port, &s->port);
}

void sink_server_deinit(struct sink_server *s)
{
    for (size_t i = 0; i < s->clients.len; i++)
        client_free(s, s->clients.items[i]);
    vec_deinit(&s->clients);
    if (s->fd >= 0)
        close(s->fd);
    if (s->file >= 0)
        close(s->file);
}

/* The directory may be anybody's, so nothing in it is followed. */
static int open_file(const struct sink_server *s)
{
    _cleanup_close_ int dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_free_ char *name = sink_file(s->kind, s->name);

    if (dir < 0)
        return -1;
    if (s->kind != SINK_SMTP)
        return openat(dir, name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
        return -1;
    return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int listen_on(const struct sink_server *s, int fd)
{
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons(s->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1, size = QUEUE_BYTES;

    if (kinds[s->kind].type == SOCK_STREAM)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    else if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)); /* as much as one may */
    if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
        return -1;
    return kinds[s->kind].type == SOCK_STREAM ? listen(fd, BACKLOG) : 0;
}

int sink_server_open(struct sink_server *s)
{
    s->store = (struct smtp_store){
        .bytes = MAIL_BYTES, .messages = MAIL_MESSAGES, .keep = keep_message, .data = s};
    s->file = open_file(s);
    if (s->file >= 0)
        s->fd = socket(AF_INET, kinds[s->kind].type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd >= 0 && listen_on(s, s->fd) == 0)
        return 0;
    int errnum = errno;
    if (s->fd >= 0)
        close(TAKE_FD(s->fd));
    return errnum;
}

size_t sink_server_count(const struct sink_server *s)
{
    return 1 + s->clients.len;
}

void sink_server_prepare(struct sink_server *s, struct pollfd *polled)
{
    *polled++ = (struct pollfd){.fd = s->fd, .events = POLLIN};
    for (size_t i = 0; i < s->clients.len; i++) {
        const struct sink_client *c = s->clients.items[i];
        *polled++ = (struct pollfd){.fd = c->fd, .events = c->out.len ? POLLOUT : POLLIN};
    }
    s->polled = s->clients.len;
}

nsec_t sink_server_wake(const struct sink_server *s)
{
    nsec_t wake = NSEC_INFINITY;

    for (size_t i = 0; i < s->clients.len; i++) {
        const struct sink_client *c = s->clients.items[i];
        if (c->shut && c->heard + LINGER < wake)
            wake = c->heard + LINGER;
    }
    return wake;
}

bool sink_server_step(struct sink_server *s, const struct pollfd *polled, nsec_t now)
{
    bool arrived = false;

    for (size_t i = 0; i < s->polled; i++)
        arrived |= step_client(s, s->clients.items[i], polled[i + 1].revents, now);
    drop_gone(s);
    s->polled = 0;
    if (polled[0].revents && kinds[s->kind].type == SOCK_DGRAM)
        arrived |= take_datagrams(s);
    else if (polled[0].revents)
        arrived |= take_client(s, now);
    return arrived;
}

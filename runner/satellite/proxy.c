/* SPDX-License-Identifier: Apache-2.0 */
#include "satellite/proxy.h"

#include <string.h>
#include <strings.h>

#define HEAD_MAX 65536
#define WORD_MAX 8192 /* of a URL or a host in the log */

static const char advice[] = "Without a network nothing gets out of a shard. "
                             "'cleanroom --network outside' gives it one.\n";

struct word {
    const char *text;
    size_t len;
};

static const struct word none = {"-", 1};

void proxy_init(struct proxy *p)
{
    *p = (struct proxy){0};
    strbuf_init(&p->head, 0);
}

void proxy_deinit(struct proxy *p)
{
    strbuf_deinit(&p->head);
}

/* Something without blanks stays so. */
static void add_word(struct strbuf *to, struct word word)
{
    for (size_t i = 0; i < word.len && i < WORD_MAX; i++) {
        unsigned char c = (unsigned char)word.text[i];
        if (c > ' ' && c < 0x7f)
            strbuf_addc(to, (char)c);
        else
            strbuf_addf(to, "\\x%02x", c);
    }
    if (word.len > WORD_MAX)
        strbuf_adds(to, "...");
}

/* Cuts off what comes before the first `end`, or all. */
static struct word take(struct word *rest, char end)
{
    const char *there = memchr(rest->text, end, rest->len);
    size_t len = there ? (size_t)(there - rest->text) : rest->len;
    struct word word = {rest->text, len};

    rest->text += there ? len + 1 : len;
    rest->len -= there ? len + 1 : len;
    return word;
}

static struct word take_line(struct word *rest)
{
    struct word line = take(rest, '\n');

    if (line.len && line.text[line.len - 1] == '\r')
        line.len--;
    return line;
}

static struct word find_host(struct word headers)
{
    while (headers.len) {
        struct word line = take_line(&headers);
        if (line.len == 0)
            break;
        if (line.len < 5 || strncasecmp(line.text, "host:", 5) != 0)
            continue;
        line.text += 5;
        line.len -= 5;
        while (line.len && (*line.text == ' ' || *line.text == '\t')) {
            line.text++;
            line.len--;
        }
        return line.len ? line : none;
    }
    return none;
}

static bool is_word(struct word a, const char *b)
{
    return a.len == strlen(b) && memcmp(a.text, b, a.len) == 0;
}

static void answer(struct strbuf *out, const char *status, const struct strbuf *body, bool silent)
{
    strbuf_addf(out,
                "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
                "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                status, body->len);
    if (!silent)
        strbuf_add(out, body->buf, body->len);
}

/* A request begins with a letter; TLS, which some speak at once, does not. */
static bool may_be_request(const struct strbuf *head)
{
    char c = (char)(head->buf[0] | 0x20);

    return head->len == 0 || (c >= 'a' && c <= 'z');
}

static void refuse(const struct proxy *p, const char *when, struct strbuf *log, struct strbuf *out)
{
    _cleanup_strbuf_ struct strbuf body = STRBUF_INIT;
    struct word rest = {p->head.buf, p->head.len};
    struct word line = take_line(&rest), method = take(&line, ' '), url = take(&line, ' ');

    if (!may_be_request(&p->head) || method.len == 0 || url.len == 0 || line.len < 5 ||
        memcmp(line.text, "HTTP/", 5) != 0) {
        strbuf_addf(log, "%s - - host=-\n", when);
        strbuf_adds(&body, "cleanroom: this is an HTTP proxy, and that was no request to one.\n");
        answer(out, "400 Bad Request", &body, false);
        return;
    }
    strbuf_addf(log, "%s ", when);
    add_word(log, method);
    strbuf_addc(log, ' ');
    add_word(log, url);
    strbuf_adds(log, " host=");
    add_word(log, find_host(rest));
    strbuf_addc(log, '\n');

    strbuf_adds(&body, "cleanroom: ");
    add_word(&body, method);
    strbuf_addc(&body, ' ');
    add_word(&body, url);
    strbuf_addf(&body, " was recorded in proxy.log, and not sent.\n%s", advice);
    answer(out, "502 Bad Gateway", &body, is_word(method, "HEAD"));
}

/* Is there an empty line at or after `from`? */
static bool has_end(const struct strbuf *head, size_t from)
{
    const char *p = head->buf + from, *end = head->buf + head->len;

    while ((p = memchr(p, '\n', (size_t)(end - p)))) {
        p++;
        if (p < end && (*p == '\n' || (*p == '\r' && p + 1 < end && p[1] == '\n')))
            return true;
    }
    return false;
}

void proxy_feed(struct proxy *p, const void *bytes, size_t len, nsec_t wall, struct strbuf *log,
                struct strbuf *out)
{
    char when[CLOCK_ISO_SIZE];
    size_t before = p->head.len;

    if (p->answered)
        return;
    strbuf_add(&p->head, bytes, len < HEAD_MAX - before ? len : HEAD_MAX - before);
    if (p->head.len < HEAD_MAX && may_be_request(&p->head) &&
        !has_end(&p->head, before > 3 ? before - 3 : 0))
        return;
    clock_iso8601(wall, when, sizeof(when));
    refuse(p, when, log, out);
    p->answered = true;
    strbuf_deinit(&p->head);
}

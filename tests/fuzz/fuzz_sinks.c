/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sinks: whatever is sent to them, in whatever pieces, comes to the same; what they hold is
 * bounded, what they write is lines of printable text, and no room is lost.
 *
 * The first byte chooses the sink, the second the length of the pieces.
 */
#include "satellite/proxy.h"
#include "satellite/smtp.h"
#include "satellite/syslog.h"

#include <assert.h>
#include <string.h>

#define ROOM 1000 /* bytes of mail: so that it runs out, too */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    struct strbuf said, kept;
};

typedef void feed_fn(struct outcome *o, const uint8_t *data, size_t size, size_t piece);

static int keep(void *data, const struct strbuf *message, char *name, size_t size)
{
    struct outcome *o = data;

    assert(message->len <= ROOM);
    assert(strncmp(message->buf, "Return-Path: <", 14) == 0);
    strbuf_addf(&o->kept, "%zu:", message->len);
    strbuf_add(&o->kept, message->buf, message->len);
    snprintf(name, size, "x");
    return 0;
}

static void feed_smtp(struct outcome *o, const uint8_t *data, size_t size, size_t piece)
{
    struct smtp_store store = {.bytes = ROOM, .messages = 3, .keep = keep, .data = o};
    struct smtp s;

    smtp_init(&s, &store, &o->said);
    for (size_t at = 0; at < size; at += piece) {
        smtp_feed(&s, data + at, size - at < piece ? size - at : piece, &o->said);
        assert(s.message.len + store.bytes <= ROOM);
    }
    smtp_deinit(&s);
    assert(store.bytes <= ROOM && store.messages <= 3);
    if (store.messages == 3)
        assert(store.bytes == ROOM);
}

static void check_printable(const struct strbuf *lines)
{
    assert(!lines->len || lines->buf[lines->len - 1] == '\n');
    for (size_t i = 0; i < lines->len; i++) {
        unsigned char c = (unsigned char)lines->buf[i];
        assert((c >= ' ' && c != 0x7f) || c == '\n' || c == '\t');
    }
}

static void feed_syslog(struct outcome *o, const uint8_t *data, size_t size, size_t piece)
{
    struct syslog_stream s;

    syslog_init(&s);
    for (size_t at = 0; at < size; at += piece) {
        syslog_feed(&s, data + at, size - at < piece ? size - at : piece, &o->kept);
        assert(s.part.len <= SYSLOG_MESSAGE_MAX);
    }
    syslog_end(&s, &o->kept);
    syslog_deinit(&s);
    check_printable(&o->kept);
}

static void feed_datagram(struct outcome *o, const uint8_t *data, size_t size, size_t piece)
{
    (void)piece;
    syslog_add(&o->kept, data, size);
    check_printable(&o->kept);
    assert(o->kept.len <= size * 4 + 1);
}

static void feed_proxy(struct outcome *o, const uint8_t *data, size_t size, size_t piece)
{
    struct proxy p;

    proxy_init(&p);
    for (size_t at = 0; at < size; at += piece)
        proxy_feed(&p, data + at, size - at < piece ? size - at : piece, 0, &o->kept, &o->said);
    assert(p.answered == (o->said.len > 0) && p.answered == (o->kept.len > 0));
    proxy_deinit(&p);
    check_printable(&o->kept);
    if (o->kept.len)
        assert(strchr(o->kept.buf, '\n') == o->kept.buf + o->kept.len - 1);
}

static void run(struct outcome *o, feed_fn *feed, const uint8_t *data, size_t size, size_t piece)
{
    strbuf_init(&o->said, 0);
    strbuf_init(&o->kept, 0);
    feed(o, data, size, piece);
}

static void check_same(struct strbuf *a, struct strbuf *b)
{
    assert(a->len == b->len && memcmp(a->buf, b->buf, a->len) == 0);
    strbuf_deinit(a);
    strbuf_deinit(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static feed_fn *const feeds[] = {feed_smtp, feed_syslog, feed_datagram, feed_proxy};
    struct outcome whole, pieces;

    if (size < 2)
        return 0;
    feed_fn *feed = feeds[data[0] % ARRAY_SIZE(feeds)];
    run(&whole, feed, data + 2, size - 2, size);
    run(&pieces, feed, data + 2, size - 2, (size_t)data[1] + 1);
    check_same(&whole.said, &pieces.said);
    check_same(&whole.kept, &pieces.kept);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * subunit v2: https://github.com/testing-cabal/subunit#version-2
 *
 * Packets: signature, flags, length, fields, CRC-32. Between them, from the begin of a line on, may
 * stand whatever else was printed.
 */
#include "read/formats.h"

#include <string.h>

#include <cleanroom/strbuf.h>

#include "read/index.h"
#include "read/scan.h"
#include "read/sink.h"

#define SIGNATURE    0xb3
#define HEADER_BYTES 6
#define PLANNED_MAX  READER_CASES_MAX

enum {
    HAS_TEST = 0x0800,
    HAS_ROUTE = 0x0400,
    HAS_TIME = 0x0200,
    HAS_TAGS = 0x0080,
    HAS_FILE = 0x0040,
    HAS_MIME = 0x0020,
};

enum { STATUS_NONE, STATUS_EXISTS, STATUS_RUNS };

static const struct {
    enum case_status status;
    const char *message;
} verdicts[] = {
    [3] = {CASE_PASSED, NULL},
    [4] = {CASE_FAILED, "unexpected success"},
    [5] = {CASE_SKIPPED, NULL},
    [6] = {CASE_FAILED, NULL},
    [7] = {CASE_SKIPPED, "expected failure"},
};

struct subunit {
    struct strbuf packet;
    size_t need; /* its length as far as it is known; 0: none is open */
    bool inside; /* of a line of something else */
    struct index planned;
    VEC(nsec_t) began; /* by case */
};

struct cursor {
    const unsigned char *p;
    size_t left;
    bool bad;
};

struct packet {
    unsigned flags, status;
    nsec_t time; /* -1: none */
    char *test, *file;
    const unsigned char *bytes;
    size_t bytes_len;
};

static uint32_t crc32_of(const unsigned char *p, size_t len)
{
    /* Of the polynomial 0xedb88320, by halves of bytes. */
    static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
                                       0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                       0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                       0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    uint32_t crc = ~UINT32_C(0);
    for (size_t i = 0; i < len; i++) {
        crc = table[(crc ^ p[i]) & 15] ^ crc >> 4;
        crc = table[(crc ^ p[i] >> 4) & 15] ^ crc >> 4;
    }
    return ~crc;
}

static const unsigned char *take(struct cursor *c, size_t len)
{
    static const unsigned char nothing[4];
    if (c->bad || len > c->left) {
        c->bad = true;
        return nothing;
    }
    const unsigned char *at = c->p;
    c->p += len;
    c->left -= len;
    return at;
}

/* The two highest bits tell how many bytes follow. */
static size_t take_number(struct cursor *c)
{
    size_t value = *take(c, 1);
    size_t more = value >> 6;
    value &= 0x3f;
    for (; more; more--)
        value = value << 8 | *take(c, 1);
    return value;
}

static char *take_string(struct cursor *c)
{
    size_t len = take_number(c);
    const unsigned char *at = take(c, len);
    return c->bad ? NULL : xstrndup((const char *)at, len);
}

static void skip_string(struct cursor *c)
{
    take(c, take_number(c));
}

static nsec_t take_time(struct cursor *c)
{
    const unsigned char *at = take(c, 4);
    nsec_t seconds = (nsec_t)at[0] << 24 | (nsec_t)at[1] << 16 | (nsec_t)at[2] << 8 | at[3];
    return seconds * NSEC_PER_SEC + (nsec_t)take_number(c);
}

static bool read_packet(struct packet *p, const unsigned char *bytes, size_t len)
{
    struct cursor c = {bytes + 1, len - 5, false};
    const unsigned char *flags = take(&c, 2);
    *p = (struct packet){.flags = (unsigned)flags[0] << 8 | flags[1], .time = -1};
    p->status = p->flags & 7;
    take_number(&c); /* the length */
    if (p->flags & HAS_TIME)
        p->time = take_time(&c);
    if (p->flags & HAS_TEST)
        p->test = take_string(&c);
    for (size_t tags = p->flags & HAS_TAGS ? take_number(&c) : 0; tags && !c.bad; tags--)
        skip_string(&c);
    if (p->flags & HAS_MIME)
        skip_string(&c);
    if (p->flags & HAS_FILE) {
        p->file = take_string(&c);
        p->bytes_len = take_number(&c);
        p->bytes = take(&c, p->bytes_len);
    }
    return !c.bad;
}

/* "module.Class.test", maybe "(with.a scenario)". */
static size_t open_test(struct subunit *u, struct sink *s, const char *id)
{
    size_t end = strcspn(id, "([");
    const char *dot = memrchr(id, '.', end);
    _cleanup_free_ char *classname = dot ? xstrndup(id, (size_t)(dot - id)) : xstrdup("subunit");
    size_t at = sink_open(s, classname, dot ? dot + 1 : id);
    sink_key(s, at, id);
    if (at != SINK_NONE)
        *vec_push(&u->began) = -1;
    return at;
}

static void add_attachment(struct sink *s, size_t at, const struct packet *p)
{
    const char *bytes = (const char *)p->bytes;
    if (p->bytes_len == 0)
        return;
    if (strcmp(p->file, "reason") == 0) {
        _cleanup_free_ char *reason = xstrndup(bytes, p->bytes_len);
        sink_message(s, at, reason);
    } else if (strstr(p->file, "traceback")) {
        sink_text(s, at, bytes, p->bytes_len);
    } else {
        sink_output(s, at, bytes, p->bytes_len);
    }
}

static void close_test(struct subunit *u, struct sink *s, size_t at, const struct packet *p)
{
    if (at == SINK_NONE)
        return;
    nsec_t began = u->began.items[at];
    sink_close(s, at, verdicts[p->status].status,
               began >= 0 && p->time > began ? p->time - began : -1);
    sink_message(s, at, verdicts[p->status].message);
    if (verdicts[p->status].status == CASE_FAILED)
        sink_traceback(s, at);
    s->extras += u->planned.len && !index_find(&u->planned, p->test);
}

static void take_packet(struct subunit *u, struct sink *s, const struct packet *p)
{
    if (!p->test)
        return;
    if (p->status == STATUS_EXISTS) {
        if (u->planned.len < PLANNED_MAX && strlen(p->test) < 4096)
            index_add(&u->planned, p->test);
        return;
    }
    if (p->status == STATUS_NONE && !p->file)
        return;
    size_t at = sink_find(s, p->test);
    if (!sink_is_open(s, at))
        at = open_test(u, s, p->test);
    if (at != SINK_NONE && p->time >= 0 && u->began.items[at] < 0)
        u->began.items[at] = p->time;
    if (p->file)
        add_attachment(s, at, p);
    if (p->status > STATUS_RUNS)
        close_test(u, s, at, p);
}

static void packet_complete(struct subunit *u, struct sink *s)
{
    const unsigned char *bytes = (const unsigned char *)u->packet.buf;
    size_t len = u->packet.len;
    const unsigned char *crc = bytes + len - 4;
    uint32_t told = (uint32_t)crc[0] << 24 | (uint32_t)crc[1] << 16 | (uint32_t)crc[2] << 8 |
                    crc[3];
    struct packet p = {.test = NULL};
    if (crc32_of(bytes, len - 4) == told && read_packet(&p, bytes, len)) {
        sink_sure(s);
        take_packet(u, s, &p);
    } else if (s->sure) {
        sink_problem(s, "a packet is damaged");
    }
    free(p.test);
    free(p.file);
    u->need = 0;
    strbuf_reset(&u->packet);
}

/* Once the head is there: the packet's length. False when it is no packet. */
static bool read_head(struct subunit *u)
{
    struct cursor c = {(const unsigned char *)u->packet.buf + 1, HEADER_BYTES - 1, false};
    unsigned version = *take(&c, 2) >> 4;
    u->need = take_number(&c);
    return version == 2 && !c.bad && u->need >= 8;
}

/* Takes some of the bytes; returns how many. */
static size_t add_to_packet(struct subunit *u, struct sink *s, const unsigned char *bytes,
                            size_t len)
{
    size_t want = u->packet.len < HEADER_BYTES ? HEADER_BYTES : u->need;
    size_t some = want - u->packet.len < len ? want - u->packet.len : len;
    strbuf_add(&u->packet, bytes, some);
    if (u->packet.len == HEADER_BYTES && want == HEADER_BYTES && !read_head(u)) {
        u->inside = u->packet.buf[HEADER_BYTES - 1] != '\n';
        u->need = 0;
        strbuf_reset(&u->packet);
    }
    if (u->packet.len && u->packet.len == u->need)
        packet_complete(u, s);
    return some;
}

static void subunit_bytes(void *state, struct sink *s, const unsigned char *bytes, size_t len)
{
    struct subunit *u = state;
    while (len) {
        size_t some;
        if (u->packet.len || (!u->inside && *bytes == SIGNATURE)) {
            some = add_to_packet(u, s, bytes, len);
        } else {
            const unsigned char *newline = memchr(bytes, '\n', len);
            some = newline ? (size_t)(newline - bytes) + 1 : len;
            u->inside = !newline;
        }
        bytes += some;
        len -= some;
    }
}

static void subunit_end(void *state, struct sink *s)
{
    struct subunit *u = state;
    if (u->packet.len)
        sink_problem(s, "the output is cut short: it ends within a packet");
    if (u->planned.len)
        sink_say(s, (long)u->planned.len);
}

static void subunit_begin(void *state)
{
    struct subunit *u = state;
    strbuf_init(&u->packet, 0);
}

static void subunit_deinit(void *state)
{
    struct subunit *u = state;
    strbuf_deinit(&u->packet);
    index_deinit(&u->planned);
    vec_deinit(&u->began);
}

const struct reader_format format_subunit = {
    .name = "subunit",
    .doc = "subunit v2: stestr, subunit.run, Django's test runners that speak it",
    .state_size = sizeof(struct subunit),
    .begin = subunit_begin,
    .bytes = subunit_bytes,
    .end = subunit_end,
    .deinit = subunit_deinit,
};

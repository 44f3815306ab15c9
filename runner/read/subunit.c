/* SPDX-License-Identifier: Apache-2.0 */
/*
 * subunit v2: https://github.com/testing-cabal/subunit#version-2
 *
 * Packets: signature, flags, length, fields, CRC-32. Between them, with or without a newline at its
 * end, may stand whatever else was printed; a signature within a character of UTF-8 is none.
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
#define PIECE_MAX    ((size_t)64 << 10)
/* As many bytes are read again that had looked like a packet. */
#define AGAIN_MAX ((size_t)64 << 20)

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
    struct strbuf pending; /* may be packets */
    size_t at;             /* in it: what comes before is dealt with */
    size_t again;
    unsigned wanted; /* bytes by the character that has begun */
    bool inside;     /* of a line of something else */
    struct index planned;
    bool skips;        /* some of them, without names */
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
    if (u->planned.len == 0 || index_find(&u->planned, p->test))
        return;
    s->extras++;
    /* A class or module whose begin says that its tests are to be skipped. */
    u->skips |= verdicts[p->status].status == CASE_SKIPPED;
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

/* Its length, or 0 when it is none; there are HEADER_BYTES. Bit 3 is zero in version 2. */
static size_t packet_length(const unsigned char *bytes)
{
    struct cursor c = {bytes + 1, HEADER_BYTES - 1, false};
    const unsigned char *flags = take(&c, 2);
    size_t length = flags[0] >> 4 == 2 && !(flags[1] & 8) ? take_number(&c) : 0;
    return !c.bad && length >= 8 ? length : 0;
}

static bool packet_complete(struct subunit *u, struct sink *s, const unsigned char *bytes,
                            size_t len)
{
    const unsigned char *crc = bytes + len - 4;
    uint32_t told = (uint32_t)crc[0] << 24 | (uint32_t)crc[1] << 16 | (uint32_t)crc[2] << 8 |
                    crc[3];
    struct packet p = {.test = NULL};
    bool whole = crc32_of(bytes, len - 4) == told && read_packet(&p, bytes, len);
    if (whole) {
        sink_sure(s);
        take_packet(u, s, &p);
    }
    free(p.test);
    free(p.file);
    return whole;
}

/* Up to what may be a packet. Returns how many bytes are none. */
static size_t pass_text(struct subunit *u, const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = bytes[i];
        bool within = (c & 0xc0) == 0x80 && u->wanted;
        if (c == SIGNATURE && !within)
            return i;
        if (within)
            u->wanted--;
        else
            u->wanted = c < 0xc2 || c > 0xf4 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        u->inside = c != '\n';
    }
    return len;
}

/* What may be a packet stands at its begin. Returns how many bytes are dealt with; 0: more must
   come. Within a line of something else, what is no whole packet is text. */
static size_t pass_packet(struct subunit *u, struct sink *s, const unsigned char *bytes, size_t len)
{
    size_t need = len >= HEADER_BYTES ? packet_length(bytes) : HEADER_BYTES;
    if (need > len)
        return 0;
    if (need && packet_complete(u, s, bytes, need)) {
        u->inside = false;
        return need;
    }
    if (need && s->sure && !u->inside)
        sink_problem(s, "a packet is damaged");
    u->inside = true;
    u->again += need;
    return need && u->again > AGAIN_MAX ? need : 1;
}

static void pass_pending(struct subunit *u, struct sink *s)
{
    size_t some = 1;
    while (some && u->at < u->pending.len) {
        const unsigned char *bytes = (const unsigned char *)u->pending.buf + u->at;
        some = pass_text(u, bytes, u->pending.len - u->at);
        if (!some)
            some = pass_packet(u, s, bytes, u->pending.len - u->at);
        u->at += some;
    }
    if (u->at * 2 < u->pending.len)
        return;
    strbuf_consume(&u->pending, u->at);
    u->at = 0;
}

static void subunit_bytes(void *state, struct sink *s, const unsigned char *bytes, size_t len)
{
    struct subunit *u = state;
    size_t text = u->pending.len ? 0 : pass_text(u, bytes, len);
    for (size_t i = text; i < len;) {
        size_t piece = len - i < PIECE_MAX ? len - i : PIECE_MAX;
        strbuf_add(&u->pending, bytes + i, piece);
        pass_pending(u, s);
        i += piece;
    }
}

/* In what begins like a packet and does not end, there may be whole ones. */
static void subunit_end(void *state, struct sink *s)
{
    struct subunit *u = state;
    while (u->pending.len) {
        if (!u->inside)
            sink_problem(s, "the output is cut short: it ends within a packet");
        u->inside = true;
        u->at++;
        pass_pending(u, s);
    }
    size_t shown = s->found.cases.len - s->extras;
    if (u->planned.len)
        sink_say(s, (long)(u->skips && shown < u->planned.len ? shown : u->planned.len));
}

static void subunit_begin(void *state)
{
    struct subunit *u = state;
    strbuf_init(&u->pending, 0);
}

static void subunit_deinit(void *state)
{
    struct subunit *u = state;
    strbuf_deinit(&u->pending);
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "satellite/syslog.h"

#include <stdint.h>
#include <string.h>

#define DIGITS_MAX 8

/* How many bytes one printable character of UTF-8 takes here; 0: there is none. */
static size_t printable(const unsigned char *p, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

    if (p[0] < 0x80)
        return (p[0] >= ' ' && p[0] != 0x7f) || p[0] == '\t';
    size_t size = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || size > len)
        return 0;
    uint32_t code = p[0] & (0xffU >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    bool surrogate = code >= 0xd800 && code < 0xe000, control = code < 0xa0;
    return code < least[size] || code > 0x10ffff || surrogate || control ? 0 : size;
}

void syslog_add(struct strbuf *lines, const void *message, size_t len)
{
    const unsigned char *p = message, *end;

    while (len > 0 && (p[len - 1] == '\n' || p[len - 1] == '\r' || p[len - 1] == '\0'))
        len--;
    if (len == 0)
        return;
    for (end = p + len; p < end;) {
        size_t size = printable(p, (size_t)(end - p));
        if (size)
            strbuf_add(lines, p, size);
        else
            strbuf_addf(lines, "\\x%02x", *p);
        p += size ? size : 1;
    }
    strbuf_addc(lines, '\n');
}

void syslog_init(struct syslog_stream *s)
{
    *s = (struct syslog_stream){0};
    strbuf_init(&s->part, 0);
}

void syslog_deinit(struct syslog_stream *s)
{
    strbuf_deinit(&s->part);
}

static void add_part(struct syslog_stream *s, const char *p, size_t len)
{
    size_t room = SYSLOG_MESSAGE_MAX - s->part.len;

    s->cut |= len > room;
    strbuf_add(&s->part, p, len < room ? len : room);
}

static void end_message(struct syslog_stream *s, struct strbuf *lines)
{
    if (s->cut)
        strbuf_adds(&s->part, " (cut)");
    syslog_add(lines, s->part.buf, s->part.len);
    strbuf_reset(&s->part);
    s->cut = false;
    s->place = SYSLOG_START;
}

void syslog_end(struct syslog_stream *s, struct strbuf *lines)
{
    end_message(s, lines);
}

/* Takes a byte of the length, or what turns out to be no length. */
static const char *take_length(struct syslog_stream *s, const char *p)
{
    bool digit = *p >= (s->part.len ? '0' : '1') && *p <= '9';

    if (digit && s->part.len < DIGITS_MAX) {
        s->place = SYSLOG_LENGTH;
        strbuf_addc(&s->part, *p);
        return p + 1;
    }
    if (*p == ' ' && s->part.len) {
        s->left = strtoul(s->part.buf, NULL, 10);
        strbuf_reset(&s->part);
        s->place = SYSLOG_COUNTED;
        return p + 1;
    }
    s->place = SYSLOG_LINE;
    return p;
}

static const char *take_counted(struct syslog_stream *s, const char *p, const char *end,
                                struct strbuf *lines)
{
    size_t len = (size_t)(end - p) < s->left ? (size_t)(end - p) : s->left;

    add_part(s, p, len);
    s->left -= len;
    if (s->left == 0)
        end_message(s, lines);
    return p + len;
}

static const char *take_line(struct syslog_stream *s, const char *p, const char *end,
                             struct strbuf *lines)
{
    const char *stop = p;

    while (stop < end && *stop != '\n' && *stop != '\0')
        stop++;
    add_part(s, p, (size_t)(stop - p));
    if (stop == end)
        return end;
    end_message(s, lines);
    return stop + 1;
}

void syslog_feed(struct syslog_stream *s, const void *bytes, size_t len, struct strbuf *lines)
{
    const char *p = bytes, *end = p + len;

    while (p < end) {
        if (s->place == SYSLOG_COUNTED)
            p = take_counted(s, p, end, lines);
        else if (s->place == SYSLOG_LINE)
            p = take_line(s, p, end, lines);
        else
            p = take_length(s, p);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "report/text.h"

#include <stdint.h>
#include <string.h>

#include <cleanroom/result.h>

#define ESC 0x1b
#define BEL 0x07

/* What a terminal may be told in one string (a title, a link, a picture): longer ones are not
   believed to end. */
#define STRING_MAX 65536

static bool plain_byte(unsigned char c)
{
    return (c >= 0x20 && c < 0x7f) || c == '\t' || c == '\n' || c == '\r';
}

bool text_is_plain(const char *bytes, size_t len)
{
    unsigned odd = 0;
    for (size_t i = 0; i < len; i++)
        odd |= !plain_byte((unsigned char)bytes[i]);
    return !odd;
}

static bool continuation(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* Table 3-7 of the Unicode standard: no overlong forms, no surrogates, nothing above U+10FFFF. */
size_t text_utf8_length(const char *bytes, size_t len)
{
    const unsigned char *p = (const unsigned char *)bytes;
    if (len == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4 || len < 2)
        return 0;
    if (p[0] < 0xe0)
        return continuation(p[1]) ? 2 : 0;

    unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high || len < 3 || !continuation(p[2]))
        return 0;
    if (p[0] < 0xf0)
        return 3;
    return len >= 4 && continuation(p[3]) ? 4 : 0;
}

static uint32_t decode(const unsigned char *p, size_t length)
{
    static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = p[0] & masks[length];
    for (size_t i = 1; i < length; i++)
        c = c << 6 | (p[i] & 0x3f);
    return c;
}

/* Parameters, intermediates, one final byte. Returns the length after `from`, or 0. */
static size_t csi_length(const unsigned char *p, size_t len, size_t from)
{
    size_t i = from;
    while (i < len && p[i] >= 0x30 && p[i] <= 0x3f)
        i++;
    while (i < len && p[i] >= 0x20 && p[i] <= 0x2f)
        i++;
    return i < len && p[i] >= 0x40 && p[i] <= 0x7e ? i + 1 : 0;
}

/* OSC, DCS, SOS, PM and APC: up to BEL or ST. One that a line's end or another escape interrupts is
   none, or the rest of the output would vanish in it. */
static size_t string_length(const unsigned char *p, size_t len, size_t from)
{
    size_t end = len < STRING_MAX ? len : STRING_MAX;
    for (size_t i = from; i < end; i++) {
        if (p[i] == BEL)
            return i + 1;
        if (p[i] == ESC)
            return i + 1 < len && p[i + 1] == '\\' ? i + 2 : 0;
        if (p[i] == '\n')
            return 0;
    }
    return 0;
}

/* The length of the sequence that p's ESC begins; 0 when it is not one. */
static size_t escape_length(const unsigned char *p, size_t len)
{
    if (len < 2)
        return 0;
    if (p[1] == '[')
        return csi_length(p, len, 2);
    if (p[1] == ']' || p[1] == 'P' || p[1] == 'X' || p[1] == '^' || p[1] == '_')
        return string_length(p, len, 2);

    size_t i = 1;
    while (i < len && p[i] >= 0x20 && p[i] <= 0x2f)
        i++;
    return i < len && p[i] >= 0x30 && p[i] <= 0x7e ? i + 1 : 0;
}

static bool is_color(const unsigned char *p, size_t length)
{
    if (p[1] != '[' || p[length - 1] != 'm')
        return false;
    for (size_t i = 2; i < length - 1; i++)
        if (!((p[i] >= '0' && p[i] <= '9') || p[i] == ';' || p[i] == ':'))
            return false;
    return true;
}

static size_t clean_escape(struct strbuf *out, const unsigned char *p, size_t len, bool keep_color)
{
    size_t length = escape_length(p, len);
    if (length == 0) {
        strbuf_adds(out, "#x1B");
        return 1;
    }
    if (keep_color && is_color(p, length))
        strbuf_add(out, p, length);
    return length;
}

/* Everything but plain ASCII and escapes. Returns how many bytes it has dealt with. */
static size_t clean_odd(struct strbuf *out, const unsigned char *p, size_t len)
{
    size_t length = text_utf8_length((const char *)p, len);
    if (length == 0) {
        strbuf_adds(out, "\xef\xbf\xbd");
        return 1;
    }

    uint32_t c = decode(p, length);
    /* A C1 CSI moves the cursor as well as ESC [ does. */
    size_t sequence = c == 0x9b ? csi_length(p, len, 2) : 0;
    if (sequence)
        return sequence;
    if (c < 0x20 || (c >= 0x7f && c < 0xa0))
        strbuf_addf(out, "#x%02X", (unsigned)c);
    else if (c == 0xfffe || c == 0xffff)
        strbuf_addf(out, "#x%04X", (unsigned)c);
    else
        strbuf_add(out, p, length);
    return length;
}

void text_clean(struct strbuf *out, const char *bytes, size_t len, bool keep_color)
{
    const unsigned char *p = (const unsigned char *)bytes;
    for (size_t i = 0; i < len;) {
        size_t span = i;
        while (span < len && plain_byte(p[span]))
            span++;
        strbuf_add(out, p + i, span - i);
        i = span;
        if (i == len)
            break;
        i += p[i] == ESC ? clean_escape(out, p + i, len - i, keep_color)
                         : clean_odd(out, p + i, len - i);
    }
}

/* Whether a command's name may follow the two characters at p. */
static bool begins_command(const char *p, const char *end)
{
    static const char *const names[] = {"[", "vso[", "teamcity["};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        size_t len = strlen(names[i]);
        if ((size_t)(end - p) >= len + 2 && strncasecmp(p + 2, names[i], len) == 0)
            return true;
    }
    return false;
}

/* Blanks are Unicode's for .NET: so everything that is not ASCII counts as one. */
static bool begins_line(const char *lines, const char *p)
{
    while (p > lines && !strchr("\r\n", p[-1]) && ((unsigned char)p[-1] <= ' ' || (p[-1] & 0x80)))
        p--;
    return p == lines || strchr("\r\n", p[-1]);
}

/* Where the blank has to go; len: nowhere. */
static size_t find_command(const char *lines, size_t len)
{
    const char *end = lines + len;
    for (const char *p = lines; (p = memmem(p, (size_t)(end - p), "##", 2)); p++)
        if (begins_command(p, end)) {
            end = p;
            break;
        }
    for (const char *p = lines; (p = memmem(p, (size_t)(end - p), "::", 2)); p++)
        if (begins_line(lines, p)) {
            end = p;
            break;
        }
    return end == lines + len ? len : (size_t)(end - lines) + 1;
}

void text_disarm(struct strbuf *lines)
{
    size_t at = find_command(lines->buf, lines->len);
    if (at == lines->len)
        return;
    struct strbuf safe = STRBUF_INIT;
    for (size_t from = 0; from < lines->len; from += at) {
        at = find_command(lines->buf + from, lines->len - from);
        strbuf_add(&safe, lines->buf + from, at);
        if (from + at < lines->len)
            strbuf_addc(&safe, ' ');
    }
    strbuf_deinit(lines);
    *lines = safe;
}

char *text_bounded(const char *s, size_t max)
{
    if (!s)
        return NULL;

    struct capture c;
    capture_init(&c, max / 2, max - max / 2);
    capture_add(&c, s, strlen(s));
    size_t len;
    _cleanup_free_ char *kept = capture_text(&c, &len);
    capture_deinit(&c);
    struct strbuf clean = STRBUF_INIT;
    text_clean(&clean, kept, len, false);
    return strbuf_detach(&clean);
}

/* Cuts to max bytes, between characters. */
static void cut(struct strbuf *sb, size_t max)
{
    if (sb->len <= max)
        return;
    while (max > 0 && continuation((unsigned char)sb->buf[max]))
        max--;
    strbuf_truncate(sb, max);
}

char *text_first_line(const char *s, size_t max)
{
    if (!s)
        return NULL;

    s += strspn(s, " \t\r\n");
    struct strbuf line = STRBUF_INIT;
    text_clean(&line, s, strcspn(s, "\r\n"), false);
    cut(&line, max);
    while (line.len && strchr(" \t", line.buf[line.len - 1]))
        strbuf_truncate(&line, line.len - 1);
    char *text = strbuf_detach(&line);
    if (*text)
        return text;
    free(text);
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "config/excerpt.h"

#include <stdbool.h>
#include <stdint.h>

#include <cleanroom/strbuf.h>

/* How much of a long line is shown, and how much of that stands before the caret. */
#define WINDOW        72
#define WINDOW_BEFORE 48

#define CHAR_INVALID UINT32_MAX

struct cursor {
    const unsigned char *at, *end;
    uint32_t c; /* the character at `at` */
    size_t len; /* its bytes; 0 at the end */
};

static size_t sequence_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead < 0xe0)
        return 2;
    if (lead >= 0xe0 && lead < 0xf0)
        return 3;
    return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

/* Decodes the character at c->at. A byte that begins none counts as one invalid character. */
static void cursor_decode(struct cursor *c)
{
    size_t left = (size_t)(c->end - c->at);
    c->len = left ? 1 : 0;
    c->c = CHAR_INVALID;
    size_t len = left ? sequence_length(*c->at) : 0;
    if (len == 0 || len > left)
        return;

    uint32_t value = len == 1 ? *c->at : *c->at & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((c->at[i] & 0xc0) != 0x80)
            return;
        value = value << 6 | (c->at[i] & 0x3f);
    }
    c->c = value;
    c->len = len;
}

static void cursor_next(struct cursor *c)
{
    c->at += c->len;
    cursor_decode(c);
}

static struct cursor cursor_at(const char *text, size_t len)
{
    struct cursor c = {(const unsigned char *)text, (const unsigned char *)text + len, 0, 0};
    cursor_decode(&c);
    return c;
}

static bool is_break(uint32_t c)
{
    return c == '\n' || c == '\r' || c == 0x85 || c == 0x2028 || c == 0x2029;
}

/* Steps over a line's end, which may be CR LF. */
static void skip_break(struct cursor *c)
{
    bool cr = c->c == '\r';
    cursor_next(c);
    if (cr && c->len && c->c == '\n')
        cursor_next(c);
}

static bool seek_line(struct cursor *c, size_t line)
{
    while (line > 1 && c->len) {
        if (is_break(c->c)) {
            skip_break(c);
            line--;
        } else {
            cursor_next(c);
        }
    }
    return line == 1;
}

static bool is_printable(uint32_t c)
{
    bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
    bool reorders = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    return c != CHAR_INVALID && !control && !reorders;
}

/* Adds one character, and to *pad what takes as much room below it. */
static void add_char(struct strbuf *shown, const struct cursor *c, struct strbuf *pad)
{
    if (c->c == '\t') {
        strbuf_addc(shown, '\t');
        strbuf_addc(pad, '\t');
        return;
    }
    if (is_printable(c->c))
        strbuf_add(shown, c->at, c->len);
    else
        strbuf_addc(shown, '?');
    strbuf_addc(pad, ' ');
}

char *excerpt_text(const char *text, size_t len, size_t line, size_t column)
{
    struct cursor c = cursor_at(text, len);
    if (!seek_line(&c, line) || !c.len || is_break(c.c))
        return NULL;

    _cleanup_strbuf_ struct strbuf shown = STRBUF_INIT, pad = STRBUF_INIT, caret = STRBUF_INIT;
    size_t first = column > WINDOW ? column - WINDOW_BEFORE : 1;
    if (first > 1) {
        strbuf_adds(&shown, "...");
        strbuf_adds(&pad, "   ");
    }
    for (size_t at = 1; c.len && !is_break(c.c); at++, cursor_next(&c)) {
        if (at == column)
            strbuf_adds(&caret, pad.buf);
        if (at >= first + WINDOW) {
            strbuf_adds(&shown, "...");
            break;
        }
        if (at >= first)
            add_char(&shown, &c, &pad);
    }
    /* The mark may stand at the line's end, where something is missing. */
    if (!caret.len)
        strbuf_adds(&caret, pad.buf);
    return xasprintf("%s\n%s^", shown.buf, caret.len && column > 1 ? caret.buf : "");
}

void excerpt_position(const char *text, size_t len, size_t offset, size_t *line, size_t *column)
{
    const unsigned char *target = (const unsigned char *)text + (offset < len ? offset : len);
    struct cursor c = cursor_at(text, len);
    *line = *column = 1;
    while (c.len && c.at < target) {
        if (is_break(c.c)) {
            skip_break(&c);
            ++*line;
            *column = 1;
        } else {
            cursor_next(&c);
            ++*column;
        }
    }
}

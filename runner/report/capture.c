/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/result.h>

#include <inttypes.h>
#include <string.h>

#include <cleanroom/strbuf.h>

void capture_init(struct capture *c, size_t head_max, size_t tail_max)
{
    *c = (struct capture){.head_max = head_max, .tail_max = tail_max};
}

void capture_deinit(struct capture *c)
{
    free(c->head);
    free(c->tail);
    capture_init(c, c->head_max, c->tail_max);
}

/* Returns how many of the bytes the head took. */
static size_t add_head(struct capture *c, const char *bytes, size_t len)
{
    size_t room = c->head_max - c->head_len;
    size_t take = len < room ? len : room;
    if (take == 0)
        return 0;
    if (!c->head)
        c->head = xmalloc(c->head_max);
    memcpy(c->head + c->head_len, bytes, take);
    c->head_len += take;
    return take;
}

static void add_tail(struct capture *c, const char *bytes, size_t len)
{
    if (len == 0 || c->tail_max == 0)
        return;
    if (!c->tail)
        c->tail = xmalloc(c->tail_max);

    if (len > c->tail_max) {
        bytes += len - c->tail_max;
        len = c->tail_max;
    }
    size_t first = c->tail_max - c->tail_pos;
    if (first > len)
        first = len;
    memcpy(c->tail + c->tail_pos, bytes, first);
    memcpy(c->tail, bytes + first, len - first);
    c->tail_pos = (c->tail_pos + len) % c->tail_max;
    c->tail_len = c->tail_len + len < c->tail_max ? c->tail_len + len : c->tail_max;
}

void capture_add(struct capture *c, const void *bytes, size_t len)
{
    size_t taken = add_head(c, bytes, len);
    add_tail(c, (const char *)bytes + taken, len - taken);
    c->total += len;
}

static void append_tail(const struct capture *c, struct strbuf *out)
{
    if (c->tail_len == 0)
        return;
    size_t start = (c->tail_pos + c->tail_max - c->tail_len) % c->tail_max;
    size_t first = c->tail_max - start;
    if (first > c->tail_len)
        first = c->tail_len;
    strbuf_add(out, c->tail + start, first);
    strbuf_add(out, c->tail, c->tail_len - first);
}

static uint64_t left_out(const struct capture *c)
{
    return c->total - c->head_len - c->tail_len;
}

char *capture_text(const struct capture *c, size_t *len)
{
    struct strbuf out = STRBUF_INIT;
    strbuf_add(&out, c->head, c->head_len);
    if (left_out(c)) {
        bool at_line_start = out.len == 0 || out.buf[out.len - 1] == '\n';
        strbuf_addf(&out, "%s... %" PRIu64 " bytes left out ...\n", at_line_start ? "" : "\n",
                    left_out(c));
    }
    append_tail(c, &out);
    if (len)
        *len = out.len;
    return strbuf_detach(&out);
}

/* Where the last `lines` lines of at most `max` bytes begin. A line that does not fit is left out,
   unless it is the last one. */
static size_t last_lines_start(const struct strbuf *text, size_t lines, size_t max)
{
    size_t floor = text->len > max ? text->len - max : 0;
    size_t start = text->len;
    while (lines-- > 0 && start > 0) {
        const char *newline = memrchr(text->buf, '\n', start - 1);
        size_t line = newline ? (size_t)(newline - text->buf) + 1 : 0;
        if (line < floor)
            return start == text->len ? floor : start;
        start = line;
    }
    return start;
}

char *capture_last_lines(const struct capture *c, size_t lines, size_t max)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    if (!left_out(c))
        strbuf_add(&text, c->head, c->head_len);
    append_tail(c, &text);
    if (max == 0 || text.len == 0)
        return xstrdup("");

    /* The line's end at the very end ends the last line; it does not begin an empty one. */
    size_t start = last_lines_start(&text, lines, max);
    strbuf_consume(&text, start);
    return strbuf_detach(&text);
}

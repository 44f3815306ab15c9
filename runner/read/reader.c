/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/reader.h>

#include <string.h>

#include <cleanroom/strbuf.h>

#include "read/formats.h"
#include "read/scan.h"
#include "read/sink.h"
#include "report/text.h"

const struct reader_format *const reader_formats[] = {
    &format_subunit, &format_teamcity, &format_gotest, &format_tap,   &format_googletest,
    &format_pytest,  &format_unittest, &format_jest,   &format_mocha, NULL,
};

struct candidate {
    const struct reader_format *format;
    void *state;
    struct sink sink;
};

struct reader {
    struct candidate candidates[ARRAY_SIZE(reader_formats) - 1];
    size_t count;
    bool named;
    bool lines; /* somebody wants them */
    struct strbuf line, clean;
};

static void candidate_deinit(struct candidate *c)
{
    if (c->format->deinit)
        c->format->deinit(c->state);
    free(c->state);
    sink_deinit(&c->sink);
}

static void candidate_init(struct candidate *c, const struct reader_format *format)
{
    c->format = format;
    c->state = xcalloc(1, format->state_size);
    if (format->begin)
        format->begin(c->state);
    sink_init(&c->sink);
}

struct reader *reader_new(const char *format)
{
    struct reader *r = xcalloc(1, sizeof(*r));
    strbuf_init(&r->line, READER_LINE_MAX);
    strbuf_init(&r->clean, 0);
    r->named = format != NULL;
    for (size_t i = 0; reader_formats[i]; i++)
        if (!format || strcmp(format, reader_formats[i]->name) == 0)
            candidate_init(&r->candidates[r->count++], reader_formats[i]);
    for (size_t i = 0; i < r->count; i++)
        r->lines |= r->candidates[i].format->line != NULL;
    if (r->count)
        return r;
    reader_free(r);
    return NULL;
}

/* Drops all others once one is sure. */
static void choose(struct reader *r)
{
    for (size_t i = 0; i < r->count && r->count > 1; i++) {
        if (!r->candidates[i].sink.sure)
            continue;
        for (size_t k = 0; k < r->count; k++)
            if (k != i)
                candidate_deinit(&r->candidates[k]);
        r->candidates[0] = r->candidates[i];
        r->count = 1;
        r->lines = r->candidates[0].format->line != NULL;
    }
}

static void feed_bytes(struct reader *r, const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->candidates[i].format->bytes)
            r->candidates[i].format->bytes(r->candidates[i].state, &r->candidates[i].sink, bytes,
                                           len);
    choose(r);
}

static void end_line(struct reader *r)
{
    size_t len = r->line.len;
    while (len && r->line.buf[len - 1] == '\r')
        len--;
    strbuf_reset(&r->clean);
    text_clean(&r->clean, r->line.buf, len, false);
    strbuf_reset(&r->line);

    for (size_t i = 0; i < r->count; i++)
        if (r->candidates[i].format->line)
            r->candidates[i].format->line(r->candidates[i].state, &r->candidates[i].sink,
                                          r->clean.buf, r->clean.len);
    choose(r);
}

/* What does not fit into the line any more is dropped. */
static void add_to_line(struct reader *r, const char *bytes, size_t len)
{
    size_t room = READER_LINE_MAX - r->line.len;
    strbuf_add(&r->line, bytes, len < room ? len : room);
}

/* Line by line for all, so that who is sure first does not depend on how the pieces were cut. */
void reader_feed(struct reader *r, const void *bytes, size_t len)
{
    const char *p = bytes;
    while (len) {
        const char *newline = memchr(p, '\n', len);
        size_t piece = newline ? (size_t)(newline - p) + 1 : len;
        feed_bytes(r, (const unsigned char *)p, piece);
        if (r->lines)
            add_to_line(r, p, newline ? piece - 1 : piece);
        if (r->lines && newline)
            end_line(r);
        p += piece;
        len -= piece;
    }
}

static struct candidate *recognised(struct reader *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->candidates[i].sink.sure || (r->named && r->candidates[i].sink.found.cases.len))
            return &r->candidates[i];
    return NULL;
}

bool reader_has_named(const struct result_case *c)
{
    const char *number = scan_prefix(c->name, SINK_NAMELESS);
    if (!number || !*number || number[strspn(number, "0123456789")])
        return false;
    for (size_t i = 0; reader_formats[i]; i++)
        if (strcmp(c->classname, reader_formats[i]->name) == 0)
            return true;
    return false;
}

static void move_cases(struct result_suite *from, struct result_suite *to)
{
    for (size_t i = 0; i < from->cases.len; i++)
        *vec_push(&to->cases) = from->cases.items[i];
    from->cases.len = 0;
}

void reader_finish(struct reader *r, struct result_suite *suite, struct reader_report *report)
{
    if (r->lines && r->line.len)
        end_line(r);
    *report = (struct reader_report){.said = -1};
    for (size_t i = 0; i < r->count; i++)
        if (r->candidates[i].format->end)
            r->candidates[i].format->end(r->candidates[i].state, &r->candidates[i].sink);
    struct candidate *c = recognised(r);
    if (!c) {
        if (r->named)
            report->problem = xasprintf("nothing in the output is %s",
                                        r->candidates[0].format->name);
        return;
    }

    struct sink *s = &c->sink;
    sink_end(s, c->format->name);
    *report = (struct reader_report){
        .format = c->format,
        .cases = s->found.cases.len,
        .said = s->said,
        .extras = s->extras,
        .partial = s->partial,
    };
    report->problem = TAKE_PTR(s->problem);
    move_cases(&s->found, suite);
}

void reader_report_deinit(struct reader_report *report)
{
    free(report->problem);
    *report = (struct reader_report){.said = -1};
}

void reader_free(struct reader *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->count; i++)
        candidate_deinit(&r->candidates[i]);
    strbuf_deinit(&r->line);
    strbuf_deinit(&r->clean);
    free(r);
}

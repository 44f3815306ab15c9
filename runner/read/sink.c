/* SPDX-License-Identifier: Apache-2.0 */
#include "read/sink.h"

#include <string.h>

#include <cleanroom/strbuf.h>

#include "read/scan.h"
#include "report/text.h"

#define NAME_MAX_BYTES    1024
#define MESSAGE_MAX_BYTES 4096
#define TEXT_HEAD         ((size_t)8 << 10)
#define TEXT_TAIL         ((size_t)24 << 10)
#define NAMES_MAX_BYTES   ((size_t)128 << 20)
#define TEXTS_MAX_BYTES   ((size_t)128 << 20)
#define SAID_MAX          1000000000L

void sink_init(struct sink *s)
{
    *s = (struct sink){.said = -1, .passed = -1};
}

void sink_deinit(struct sink *s)
{
    result_suite_deinit(&s->found);
    vec_deinit(&s->marks);
    for (size_t i = 0; i < s->slots.len; i++) {
        capture_deinit(&s->slots.items[i].text);
        capture_deinit(&s->slots.items[i].output);
    }
    vec_deinit(&s->slots);
    vec_deinit(&s->free_slots);
    index_deinit(&s->keys);
    index_deinit(&s->queues);
    free(s->problem);
    sink_init(s);
}

struct result_case *sink_case(struct sink *s, size_t at)
{
    return at == SINK_NONE ? NULL : &s->found.cases.items[at];
}

bool sink_is_open(const struct sink *s, size_t at)
{
    return at != SINK_NONE && !s->marks.items[at].closed;
}

static char *bounded_name(const char *name)
{
    char *line = text_first_line(name, NAME_MAX_BYTES);
    return line ? line : xstrdup("unnamed");
}

size_t sink_open(struct sink *s, const char *classname, const char *name)
{
    if (s->found.cases.len >= READER_CASES_MAX || s->names_bytes >= NAMES_MAX_BYTES) {
        s->left_out = true;
        return SINK_NONE;
    }

    _cleanup_free_ char *class_line = bounded_name(classname), *name_line = bounded_name(name);
    struct result_case *c = result_add_case(&s->found, class_line, name_line, CASE_ERROR, 0);
    s->names_bytes += strlen(c->classname) + strlen(c->name);
    vec_push(&s->marks)->next = SINK_NONE;
    return s->found.cases.len - 1;
}

void sink_rename(struct sink *s, size_t at, const char *classname, const char *name)
{
    struct result_case *c = sink_case(s, at);
    if (!c || s->names_bytes >= NAMES_MAX_BYTES)
        return;
    char *class_line = bounded_name(classname), *name_line = bounded_name(name);
    s->names_bytes -= strlen(c->classname) + strlen(c->name);
    free(c->classname);
    free(c->name);
    c->classname = class_line;
    c->name = name_line;
    s->names_bytes += strlen(c->classname) + strlen(c->name);
}

size_t sink_add(struct sink *s, const char *classname, const char *name, enum case_status status,
                nsec_t duration)
{
    size_t at = sink_open(s, classname, name);
    sink_close(s, at, status, duration);
    return at;
}

void sink_close(struct sink *s, size_t at, enum case_status status, nsec_t duration)
{
    if (at == SINK_NONE)
        return;
    struct result_case *c = sink_case(s, at);
    c->status = status;
    if (duration >= 0)
        c->duration = duration;
    s->marks.items[at].closed = true;
    sink_flush(s, at);
    if (status != CASE_FAILED && status != CASE_ERROR && !c->output)
        c->output = TAKE_PTR(c->text);
}

/* NULL when there is no room for more. */
static struct index_entry *entry_of(struct sink *s, struct index *x, size_t at, const char *key)
{
    if (at == SINK_NONE || s->names_bytes >= NAMES_MAX_BYTES)
        return NULL;
    s->names_bytes += strlen(key);
    return index_add(x, key);
}

void sink_key(struct sink *s, size_t at, const char *key)
{
    struct index_entry *e = entry_of(s, &s->keys, at, key);
    if (e)
        e->last = at;
}

size_t sink_find(const struct sink *s, const char *key)
{
    const struct index_entry *e = index_find(&s->keys, key);
    return e ? e->last : SINK_NONE;
}

void sink_queue(struct sink *s, size_t at, const char *key)
{
    struct index_entry *e = entry_of(s, &s->queues, at, key);
    if (!e)
        return;
    if (e->first == SINK_NONE)
        e->first = at;
    else
        s->marks.items[e->last].next = at;
    e->last = at;
}

size_t sink_claim(struct sink *s, const char *key)
{
    struct index_entry *e = index_find(&s->queues, key);
    if (!e || e->first == SINK_NONE)
        return SINK_NONE;
    size_t at = e->first;
    e->first = s->marks.items[at].next;
    return at;
}

/* NULL when all are taken. */
static struct sink_slot *slot_of(struct sink *s, size_t at)
{
    if (at == SINK_NONE)
        return NULL;
    struct sink_mark *mark = &s->marks.items[at];
    if (mark->full)
        return NULL;
    if (!mark->slot && s->free_slots.len)
        mark->slot = s->free_slots.items[--s->free_slots.len];
    if (!mark->slot && s->slots.len < SINK_SLOTS) {
        struct sink_slot *fresh = vec_push(&s->slots);
        capture_init(&fresh->text, TEXT_HEAD, TEXT_TAIL);
        capture_init(&fresh->output, TEXT_HEAD, TEXT_TAIL);
        mark->slot = (int)s->slots.len;
    }
    return mark->slot ? &s->slots.items[mark->slot - 1] : NULL;
}

void sink_text(struct sink *s, size_t at, const char *text, size_t len)
{
    struct sink_slot *slot = slot_of(s, at);
    if (slot)
        capture_add(&slot->text, text, len);
}

void sink_output(struct sink *s, size_t at, const char *text, size_t len)
{
    struct sink_slot *slot = slot_of(s, at);
    if (slot)
        capture_add(&slot->output, text, len);
}

void sink_line(struct sink *s, size_t at, const char *line)
{
    sink_text(s, at, line, strlen(line));
    sink_text(s, at, "\n", 1);
}

/* Appends what the capture has to *to, and empties it. */
static void move_text(struct sink *s, struct capture *from, char **to)
{
    if (from->total == 0)
        return;
    size_t len = 0;
    _cleanup_free_ char *text = s->texts_bytes < TEXTS_MAX_BYTES
                                    ? capture_text(from, &len)
                                    : xstrdup("... left out: the report is too long ...\n");
    capture_deinit(from);
    s->texts_bytes += len;
    /* NULs are the writer's as little as everybody else's. */
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\0')
            text[i] = ' ';
    if (!*to) {
        *to = TAKE_PTR(text);
    } else {
        char *both = xasprintf("%s\n%s", *to, text);
        free(*to);
        *to = both;
    }
}

/* Takes the blank lines at its begin and end away; returns its length. */
static size_t trim(char *text)
{
    size_t skip = strspn(text, "\n"), len = strlen(text);
    while (len > skip + 1 && text[len - 1] == '\n' && text[len - 2] == '\n')
        len--;
    memmove(text, text + skip, len - skip);
    text[len - skip] = '\0';
    return len - skip;
}

void sink_flush(struct sink *s, size_t at)
{
    if (at == SINK_NONE || !s->marks.items[at].slot)
        return;
    struct sink_slot *slot = &s->slots.items[s->marks.items[at].slot - 1];
    struct result_case *c = sink_case(s, at);
    move_text(s, &slot->text, &c->text);
    if (c->text)
        s->marks.items[at].full = trim(c->text) >= TEXT_HEAD + TEXT_TAIL;
    move_text(s, &slot->output, &c->output);
    *vec_push(&s->free_slots) = s->marks.items[at].slot;
    s->marks.items[at].slot = 0;
}

void sink_message(struct sink *s, size_t at, const char *message)
{
    struct result_case *c = sink_case(s, at);
    if (c && !c->message)
        c->message = text_first_line(message, MESSAGE_MAX_BYTES);
}

void sink_type(struct sink *s, size_t at, const char *type)
{
    struct result_case *c = sink_case(s, at);
    if (c && !c->type)
        c->type = text_first_line(type, NAME_MAX_BYTES);
}

void sink_error(struct sink *s, size_t at, const char *line)
{
    line += strspn(line, " \n");
    _cleanup_free_ char *type = xstrndup(line, scan_error_type(line));
    sink_message(s, at, line);
    sink_type(s, at, type);
}

void sink_traceback(struct sink *s, size_t at)
{
    struct result_case *c = sink_case(s, at);
    if (!c || !c->text || (c->type && c->message))
        return;
    size_t type_len;
    const char *line = scan_traceback(c->text, &type_len);
    if (!line)
        return;
    _cleanup_free_ char *type = xstrndup(line, type_len);
    sink_type(s, at, type);
    sink_message(s, at, line);
}

void sink_sure(struct sink *s)
{
    s->sure = true;
}

void sink_say(struct sink *s, long tests)
{
    s->said = (s->said < 0 ? 0 : s->said) + tests;
    if (s->said > SAID_MAX)
        s->said = SAID_MAX;
}

void sink_problem(struct sink *s, const char *fmt, ...)
{
    if (s->problem)
        return;
    va_list ap;
    va_start(ap, fmt);
    s->problem = xvasprintf(fmt, ap);
    va_end(ap);
}

static void end_open_cases(struct sink *s)
{
    for (size_t i = 0; i < s->marks.len; i++) {
        if (s->marks.items[i].closed)
            continue;
        sink_close(s, i, CASE_ERROR, -1);
        sink_message(s, i, "did not end: the output ends before its verdict");
        const struct result_case *c = sink_case(s, i);
        sink_problem(s, "the output is cut short: '%s' of '%s' did not end", c->name, c->classname);
    }
}

static long count_of(const struct sink *s, enum case_status status)
{
    long count = 0;
    for (size_t i = 0; i < s->found.cases.len; i++)
        count += s->found.cases.items[i].status == status;
    return count;
}

/* Returns whether there were some. */
static bool add_nameless(struct sink *s, const char *format)
{
    long left = s->said - (long)(s->found.cases.len - s->extras);
    long skipped = s->skipped - count_of(s, CASE_SKIPPED);
    long passed = s->passed - count_of(s, CASE_PASSED);
    if (s->passed >= 0 && left > passed + skipped)
        left = passed + skipped;
    for (long i = 0; i < left && !s->left_out; i++) {
        char name[32];
        snprintf(name, sizeof(name), SINK_NAMELESS "%ld", i + 1);
        sink_add(s, format, name, i < skipped ? CASE_SKIPPED : CASE_PASSED, -1);
    }
    return left > 0;
}

void sink_end(struct sink *s, const char *format)
{
    s->partial = s->partial && add_nameless(s, format);
    for (size_t i = 0; i < s->marks.len; i++)
        if (s->marks.items[i].closed)
            sink_flush(s, i);
    if (s->left_out)
        sink_problem(s, "too many test cases (more than %d, or very long names): some are left out",
                     READER_CASES_MAX);
    end_open_cases(s);
    size_t shown = s->found.cases.len - s->extras;
    if (s->said >= 0 && !s->partial && (size_t)s->said > shown)
        sink_problem(s, "the runner speaks of %ld tests, its output shows %zu", s->said, shown);
}

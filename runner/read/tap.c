/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TAP 13 and 14: https://testanything.org/tap-version-14-specification.html
 *
 * Also what its producers add: several streams one after the other, prove -v's file names and bare
 * verdicts between them, node's durations. A test point that closes a subtest is not a case of its
 * own: its parts are, unless it failed and none of them did.
 */
#include "read/formats.h"

#include <string.h>

#include <cleanroom/strbuf.h>

#include "read/scan.h"
#include "read/sink.h"

#define DEPTH_MAX 32
#define CLASS_MAX 1024

struct level {
    bool planned;
    long plan, seen;
    size_t first; /* its first case */
};

struct tap {
    struct level levels[DEPTH_MAX];
    size_t depth;   /* of the innermost open level */
    char *file;     /* prove's */
    bool concluded; /* by prove */
    size_t last;    /* the case of the last test point */
    size_t last_depth;
    bool after_point; /* a YAML block may begin */
    bool in_yaml, wants_message;
};

struct point {
    bool ok, skip, todo;
    bool numbered, dashed;
    long number;
    nsec_t took;
    struct strbuf name;
    const char *reason; /* of the directive, in the line; or NULL */
};

static void point_deinit(struct point *p)
{
    strbuf_deinit(&p->name);
}

static void open_level(struct tap *t, struct sink *s, size_t depth)
{
    t->levels[depth] = (struct level){.first = s->found.cases.len};
    t->depth = depth;
}

static void close_level(const struct level *l, struct sink *s)
{
    if (l->planned)
        sink_say(s, l->plan);
    else if (l->seen)
        sink_problem(s, "the output is cut short: there is no plan (\"1..N\")");
    if (l->planned && l->seen != l->plan)
        sink_problem(s, "the plan is of %ld tests, the output shows %ld", l->plan, l->seen);
}

static void settle_last(struct tap *t, struct sink *s)
{
    sink_flush(s, t->last);
    struct result_case *c = sink_case(s, t->last);
    if (c && c->status == CASE_FAILED && c->text)
        sink_message(s, t->last, c->text + strspn(c->text, "# \t\n"));
    t->last = SINK_NONE;
    t->after_point = t->in_yaml = false;
}

/* Puts the parent's name before the classes of the cases from first on. */
static size_t adopt(struct sink *s, size_t first, const char *parent, bool todo)
{
    size_t bad = 0;
    for (size_t i = first; i < s->found.cases.len; i++) {
        struct result_case *c = &s->found.cases.items[i];
        if (strlen(c->classname) < CLASS_MAX) {
            _cleanup_free_ char *path = xasprintf("%.*s%s%s", CLASS_MAX, parent,
                                                  *c->classname ? " > " : "", c->classname);
            sink_rename(s, i, path, c->name);
        }
        if (todo && c->status == CASE_FAILED)
            c->status = CASE_SKIPPED;
        bad += c->status == CASE_FAILED;
    }
    return bad;
}

static void close_stream(struct tap *t, struct sink *s)
{
    settle_last(t, s);
    if (t->depth)
        sink_problem(s, "the output is cut short: it ends within a subtest");
    for (; t->depth; t->depth--)
        close_level(&t->levels[t->depth], s);
    close_level(&t->levels[0], s);
    if (t->file)
        adopt(s, t->levels[0].first, t->file, false);
    open_level(t, s, 0);
}

/* Closes the subtests above which the point stands. Returns whether it needs no case of its own. */
static bool close_subtests(struct tap *t, struct sink *s, size_t depth, const struct point *p)
{
    if (t->depth <= depth)
        return false;
    for (; t->depth > depth; t->depth--)
        close_level(&t->levels[t->depth], s);
    size_t first = t->levels[depth + 1].first;
    if (first == s->found.cases.len)
        return false;
    size_t bad = adopt(s, first, p->name.len ? p->name.buf : "unnamed", p->todo);
    if (!p->ok && !bad && !p->todo && !p->skip)
        return false;
    sink_say(s, -1);
    return true;
}

/* The first "#" that begins a directive; what it escapes is no directive. */
static const char *find_directive(const char *s)
{
    for (const char *p = s; *p; p++) {
        if (*p == '\\' && p[1])
            p++;
        else if (*p == '#' && (p == s || p[-1] == ' ')) {
            const char *word = p + 1 + strspn(p + 1, " ");
            if (strncasecmp(word, "skip", 4) == 0 || strncasecmp(word, "todo", 4) == 0 ||
                scan_prefix(word, "time="))
                return p;
        }
    }
    return s + strlen(s);
}

static void read_directive(struct point *p, const char *directive)
{
    if (!*directive)
        return;
    const char *word = directive + 1 + strspn(directive + 1, " ");
    const char *time = scan_prefix(word, "time=");
    if (time) {
        scan_time(time, &p->took);
        return;
    }
    p->skip = strncasecmp(word, "skip", 4) == 0;
    p->todo = !p->skip;
    p->reason = word + strcspn(word, " ");
    p->reason += strspn(p->reason, " ");
}

static void read_name(struct point *p, const char *s, const char *end)
{
    for (; s < end; s++) {
        if (*s == '\\' && s + 1 < end && (s[1] == '#' || s[1] == '\\'))
            s++;
        strbuf_addc(&p->name, *s);
    }
    strbuf_truncate(&p->name, scan_trimmed(p->name.buf, p->name.len));
}

/* "[not ]ok [number] [- name] [# directive]". */
static bool read_point(struct point *p, const char *s)
{
    const char *rest = scan_prefix(s, "not ok");
    *p = (struct point){.ok = !rest, .took = -1, .name = STRBUF_INIT};
    rest = rest ? rest : scan_prefix(s, "ok");
    if (!rest || (*rest && *rest != ' '))
        return false;

    rest += strspn(rest, " ");
    const char *after = scan_number(rest, &p->number);
    p->numbered = after && (!*after || *after == ' ');
    if (p->numbered)
        rest = after + strspn(after, " ");
    p->dashed = rest[0] == '-' && (rest[1] == ' ' || !rest[1]);
    if (p->dashed)
        rest += 1 + strspn(rest + 1, " ");
    const char *directive = find_directive(rest);
    read_name(p, rest, directive);
    read_directive(p, directive);
    return true;
}

static enum case_status status_of(const struct point *p)
{
    if (p->skip || (p->todo && !p->ok))
        return CASE_SKIPPED;
    return p->ok ? CASE_PASSED : CASE_FAILED;
}

static void add_case(struct tap *t, struct sink *s, size_t depth, const struct point *p)
{
    char numbered[32];
    snprintf(numbered, sizeof(numbered), SINK_NAMELESS "%ld", t->levels[depth].seen);
    t->last = sink_add(s, NULL, p->name.len ? p->name.buf : numbered, status_of(p), p->took);
    struct result_case *c = sink_case(s, t->last);
    if (!c)
        return;
    c->classname[0] = '\0'; /* until its parents are known */
    if (c->status == CASE_SKIPPED && p->reason && *p->reason)
        sink_message(s, t->last, p->reason);
}

static bool is_next_stream(const struct tap *t, const struct point *p)
{
    const struct level *l = &t->levels[0];
    return t->depth == 0 && l->planned && l->seen == l->plan && p->numbered && p->number == 1;
}

/* prove's verdict on the file, after its last test; with --timer "ok      12 ms ( 0.00 usr". */
static bool is_file_verdict(const struct tap *t, size_t depth, const struct point *p)
{
    const struct level *l = &t->levels[0];
    bool bare = (!p->numbered && !p->name.len) || scan_prefix(p->name.buf, "ms (");
    return t->file && depth == 0 && bare && l->planned && l->seen == l->plan;
}

/* Until it is sure, a line that could as well be prose is. Numbers are optional. */
static bool is_in_order(const struct tap *t, size_t depth, const struct point *p)
{
    if (!p->numbered)
        return depth == 0 && t->levels[0].seen < t->levels[0].plan && (p->dashed || !p->name.len);
    return (depth > t->depth || p->number == t->levels[depth].seen + 1 || is_next_stream(t, p));
}

static bool take_point(struct tap *t, struct sink *s, size_t depth, const char *body)
{
    _cleanup_(point_deinit) struct point p = {.name = STRBUF_INIT};
    if (!read_point(&p, body))
        return false;
    if (depth > t->depth + 1 || (depth > t->depth && !p.numbered))
        return true;
    if (!s->sure && !is_in_order(t, depth, &p))
        return false;

    settle_last(t, s);
    if (depth == 0 && is_next_stream(t, &p))
        close_stream(t, s);
    if (is_file_verdict(t, depth, &p))
        return true;
    if (depth > t->depth)
        open_level(t, s, depth);
    t->levels[depth].seen++;
    t->last_depth = depth;
    t->after_point = true;
    if (!close_subtests(t, s, depth, &p))
        add_case(t, s, depth, &p);
    if (depth == 0 && t->levels[0].planned)
        sink_sure(s);
    return true;
}

static void add_skipped_file(struct sink *s, const char *reason)
{
    size_t at = sink_add(s, NULL, "(all)", CASE_SKIPPED, -1);
    if (at == SINK_NONE)
        return;
    sink_case(s, at)->classname[0] = '\0';
    s->extras++;
    sink_message(s, at, reason);
}

/* What came before it was sure was prose, unless it was a file that prove skipped. */
static void next_stream(struct tap *t, struct sink *s)
{
    if (s->sure || (!t->levels[0].seen && !t->levels[0].planned)) {
        close_stream(t, s);
        return;
    }
    sink_deinit(s);
    t->last = SINK_NONE;
    open_level(t, s, 0);
}

/* "1..N [# SKIP reason]". */
static bool take_plan(struct tap *t, struct sink *s, size_t depth, const char *body)
{
    const char *rest = scan_prefix(body, "1..");
    long plan;
    rest = rest ? scan_number(rest, &plan) : NULL;
    if (!rest || depth > t->depth + 1)
        return false;
    rest += strspn(rest, " ");
    if (*rest && *rest != '#')
        return false;

    settle_last(t, s);
    if (depth == 0 && t->levels[0].planned)
        next_stream(t, s);
    if (depth > t->depth)
        open_level(t, s, depth);
    t->levels[depth].planned = true;
    t->levels[depth].plan = plan;
    if (depth == 0 && t->levels[0].seen)
        sink_sure(s);
    if (depth == 0 && plan == 0) {
        struct point p = {.reason = NULL};
        read_directive(&p, rest);
        if (p.skip)
            add_skipped_file(s, p.reason);
    }
    return true;
}

static bool take_version(struct tap *t, struct sink *s, const char *line)
{
    const char *rest = scan_prefix(line, "TAP version 1");
    if (!rest || (strcmp(rest, "3") != 0 && strcmp(rest, "4") != 0))
        return false;
    next_stream(t, s);
    sink_sure(s);
    return true;
}

/* prove --timer: "[12:34:56] " before files. */
static const char *after_timer(const char *line)
{
    size_t len = *line == '[' ? 1 + strspn(line + 1, "0123456789:") : 0;
    return len && line[len] == ']' && line[len + 1] == ' ' ? line + len + 2 : line;
}

/* prove -v: "t/basic.t .. ", "t/none.t ... skipped: no database". In a stream that is not prove's
   it is what a test has printed. */
static bool take_file(struct tap *t, struct sink *s, const char *line)
{
    if (s->sure && !t->file)
        return false;
    line = after_timer(line);
    size_t name = strcspn(line, " ");
    size_t dots = line[name] == ' ' ? strspn(line + name + 1, ".") : 0;
    if (name == 0 || dots < 2 || line[name + 1 + dots] != ' ')
        return false;
    const char *rest = line + name + 1 + dots + strspn(line + name + 1 + dots, " ");
    const char *skipped = scan_prefix(rest, "skipped: ");
    if (*rest && !skipped)
        return false;

    next_stream(t, s);
    free(t->file);
    t->file = xstrndup(line, name < CLASS_MAX ? name : CLASS_MAX);
    if (skipped)
        add_skipped_file(s, skipped);
    return true;
}

static void yaml_key(struct tap *t, struct sink *s, const char *line)
{
    struct result_case *c = sink_case(s, t->last);
    size_t key = strcspn(line, ":");
    if (!c || line[key] != ':' || *line == ' ')
        return;
    const char *value = line + key + 1 + strspn(line + key + 1, " ");
    nsec_t took;
    if (key == 11 && scan_prefix(line, "duration_ms")) {
        c->duration = scan_seconds(strtod(value, NULL) / 1e3);
    } else if (key == 4 && scan_prefix(line, "time") && scan_time(value, &took)) {
        c->duration = took;
    } else if (c->status != CASE_FAILED) {
        return;
    } else if ((key == 7 && scan_prefix(line, "message")) ||
               (key == 5 && scan_prefix(line, "error"))) {
        t->wants_message = *value == '|' || *value == '>';
        _cleanup_free_ char *message = scan_unquoted(value);
        if (!t->wants_message)
            sink_message(s, t->last, message);
    } else if (key == 4 && scan_prefix(line, "name")) {
        _cleanup_free_ char *type = scan_unquoted(value);
        sink_type(s, t->last, type);
    }
}

/* False: the line is none of the block's, which ends with it. */
static bool take_yaml(struct tap *t, struct sink *s, const char *line)
{
    size_t indent = t->last_depth * 4 + 2, blanks = scan_indent(line);
    if (blanks < indent && line[blanks]) {
        t->in_yaml = false;
        return false;
    }
    const char *body = line + (blanks < indent ? blanks : indent);
    if (strcmp(body, "...") == 0) {
        t->in_yaml = false;
        return true;
    }
    const struct result_case *c = sink_case(s, t->last);
    if (t->wants_message && body[strspn(body, " ")]) {
        sink_message(s, t->last, body);
        t->wants_message = false;
    }
    yaml_key(t, s, body);
    if (c && c->status == CASE_FAILED)
        sink_line(s, t->last, body);
    return true;
}

/* What comes after the tests, not after a failure. */
static bool is_epilogue(const char *comment)
{
    static const char *const words[] = {"# Subtest", "# Looks like", "# tests ", "# pass ",
                                        "# fail "};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (scan_prefix(comment, words[i]))
            return true;
    return false;
}

/* Comments and other indented lines after a failure are about it. */
static void take_diagnostics(struct tap *t, struct sink *s, const char *line)
{
    const struct result_case *c = sink_case(s, t->last);
    const char *body = line + scan_indent(line);
    if (c && c->status == CASE_FAILED && (*body == '#' || body >= line + 2) && !is_epilogue(body))
        sink_line(s, t->last, line);
}

static void tap_line(void *state, struct sink *s, const char *line, size_t len)
{
    struct tap *t = state;
    (void)len;
    if (t->in_yaml && take_yaml(t, s, line))
        return;

    size_t blanks = scan_indent(line), depth = blanks / 4;
    const char *body = line + blanks;
    if (t->after_point && blanks == t->last_depth * 4 + 2 && scan_prefix(body, "---")) {
        t->in_yaml = true;
        t->wants_message = false;
        return;
    }
    if (blanks % 4 == 0 && depth < DEPTH_MAX &&
        (take_point(t, s, depth, body) || take_plan(t, s, depth, body)))
        return;
    const char *reason = scan_prefix(body, "Bail out!");
    if (reason && blanks % 4 == 0) {
        reason += strspn(reason, " ");
        sink_problem(s, "the tests bailed out%s%s", *reason ? ": " : "", reason);
        return;
    }
    t->concluded |= scan_prefix(line, "Result: ") != NULL;
    if (blanks || (!take_version(t, s, line) && !take_file(t, s, line)))
        take_diagnostics(t, s, line);
}

static void tap_end(void *state, struct sink *s)
{
    struct tap *t = state;
    const struct level *top = &t->levels[0];
    if (top->planned && top->plan == 0 && top->seen == 0)
        sink_sure(s); /* no tests, and nobody else said anything */
    close_stream(t, s);
    if (t->file && !t->concluded)
        sink_problem(s, "the output is cut short: prove's result is not there");
    for (size_t i = 0; i < s->found.cases.len; i++) {
        struct result_case *c = &s->found.cases.items[i];
        if (!*c->classname)
            replace_str(&c->classname, format_tap.name);
    }
}

static void tap_begin(void *state)
{
    struct tap *t = state;
    t->last = SINK_NONE;
}

static void tap_deinit(void *state)
{
    struct tap *t = state;
    free(t->file);
}

const struct reader_format format_tap = {
    .name = "tap",
    .doc = "TAP 13 and 14: prove, bats, node --test, tape",
    .state_size = sizeof(struct tap),
    .begin = tap_begin,
    .line = tap_line,
    .end = tap_end,
    .deinit = tap_deinit,
};

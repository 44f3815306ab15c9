/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mocha's spec reporter, and the end that its other reporters for the terminal share:
 * https://github.com/mochajs/mocha/tree/main/lib/reporters (spec.js, base.js)
 *
 * A case's class are its suites' titles with blanks between them, as in Mocha's own xunit, and of a
 * test outside of all suites its title again. Failures are numbered in the list and told at length
 * at the end. A pending test is listed like anybody's bullet: outside of a suite one counts once
 * another test was seen.
 */
#include "read/formats.h"

#include <string.h>

#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

#include "read/scan.h"
#include "read/sink.h"

#define DEPTH_MAX 64
#define TITLE_MAX 1024

enum section {
    SECTION_LIST,
    SECTION_COUNTS,
    SECTION_TITLE, /* of a failure */
    SECTION_TEXT,
};

struct mocha {
    enum section section;
    char *titles[DEPTH_MAX]; /* the open suites, by indentation */
    VEC(size_t) failures;    /* cases by their numbers */
    size_t failing;          /* as the counts have it */
    size_t told;             /* the number of the failure that is told */
    struct strvec path;      /* its titles */
    size_t block;            /* its case */
    bool listed;
    bool again; /* a run that is not the first */
};

static const char *const ticks[] = {"\xe2\x9c\x93 ", "\xe2\x9c\x94 ", "\xe2\x88\x9a "};

static void forget_titles(struct mocha *m, size_t from)
{
    for (size_t i = from; i < DEPTH_MAX; i++) {
        free(m->titles[i]);
        m->titles[i] = NULL;
    }
}

static size_t add_listed(struct mocha *m, struct sink *s, size_t depth, const char *name,
                         enum case_status status)
{
    _cleanup_strbuf_ struct strbuf classname = STRBUF_INIT;
    strbuf_init(&classname, 4096);
    for (size_t d = 0; d < depth; d++)
        if (m->titles[d])
            strbuf_addf(&classname, "%s%s", classname.len ? " " : "", m->titles[d]);
    nsec_t took = -1;
    size_t len = strlen(name);
    if (status == CASE_PASSED)
        len = scan_without_time(name, len, &took);
    _cleanup_free_ char *text = xstrndup(name, len);
    m->listed = true;
    return sink_add(s, classname.len ? classname.buf : text, text, status, took);
}

/* "N) title" of the failure that comes next; or NULL. */
static const char *numbered(const char *body, size_t expected)
{
    long number;
    const char *rest = scan_number(body, &number);
    rest = rest && (size_t)number == expected ? scan_prefix(rest, ") ") : NULL;
    return rest && *rest ? rest : NULL;
}

static void take_listed(struct mocha *m, struct sink *s, const char *line)
{
    size_t blanks = scan_indent(line), depth = blanks / 2;
    const char *body = line + blanks, *name = NULL;
    if (!*body || blanks < 2 || depth >= DEPTH_MAX)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(ticks) && !name; i++)
        name = scan_prefix(body, ticks[i]);
    const char *failed = numbered(body, m->failures.len + 1);
    forget_titles(m, depth);
    if (name)
        add_listed(m, s, depth, name, CASE_PASSED);
    else if (failed && m->failures.len < READER_CASES_MAX)
        *vec_push(&m->failures) = add_listed(m, s, depth, failed, CASE_FAILED);
    else if (scan_prefix(body, "- ") && (m->listed || (depth > 1 && m->titles[depth - 1])))
        add_listed(m, s, depth, body + 2, CASE_SKIPPED);
    else
        m->titles[depth] = xstrndup(body, TITLE_MAX);
}

/* "  3 passing (10ms)". */
static bool take_passing(struct mocha *m, struct sink *s, const char *line)
{
    long count;
    nsec_t took;
    const char *rest = scan_number(line + scan_indent(line), &count);
    rest = rest && scan_indent(line) >= 2 ? scan_prefix(rest, " passing (") : NULL;
    rest = rest ? scan_time(rest, &took) : NULL;
    if (!rest || strcmp(rest, ")") != 0)
        return false;
    sink_sure(s);
    sink_say(s, count);
    forget_titles(m, 0);
    m->section = SECTION_COUNTS;
    m->told = m->failing = 0;
    return true;
}

static void end_block(struct mocha *m, struct sink *s)
{
    sink_flush(s, m->block);
    const struct result_case *c = sink_case(s, m->block);
    if (c && c->text)
        sink_error(s, m->block, c->text);
    m->block = SINK_NONE;
}

/* The title is whole: of a reporter that lists no tests this is the first that is heard of it. */
static void end_title(struct mocha *m, struct sink *s)
{
    m->section = SECTION_TEXT;
    m->block = m->told <= m->failures.len ? m->failures.items[m->told - 1] : SINK_NONE;
    if (m->told <= m->failures.len || m->path.len == 0)
        return;
    _cleanup_free_ char *name = m->path.items[--m->path.len];
    m->path.items[m->path.len] = NULL;
    _cleanup_free_ char *classname = strvec_join(&m->path, " ");
    m->block = sink_add(s, *classname ? classname : name, name, CASE_FAILED, -1);
}

static void take_title(struct mocha *m, struct sink *s, const char *title)
{
    size_t len = scan_trimmed(title, strlen(title));
    bool ends = len && title[len - 1] == ':';
    _cleanup_free_ char *part = xstrndup(title, len - ends);
    if (m->path.len < DEPTH_MAX)
        strvec_push(&m->path, part);
    if (ends)
        end_title(m, s);
}

static bool take_next_failure(struct mocha *m, struct sink *s, const char *line)
{
    const char *title = scan_indent(line) == 2 ? numbered(line + 2, m->told + 1) : NULL;
    if (!title)
        return false;
    end_block(m, s);
    strvec_deinit(&m->path);
    m->told++;
    m->section = SECTION_TITLE;
    take_title(m, s, title);
    return true;
}

static void take_count(struct mocha *m, struct sink *s, const char *line)
{
    long count;
    const char *rest = scan_number(line + scan_indent(line), &count);
    bool failing = rest && strcmp(rest, " failing") == 0;
    bool pending = rest && strcmp(rest, " pending") == 0;
    if (failing || pending)
        sink_say(s, count);
    if (pending)
        s->skipped += count;
    if (failing)
        m->failing = (size_t)count;
}

/* After one run's end there may be another: its titles, and then a test within a suite, or one
   that passed outside of all. */
static bool take_next_run(struct mocha *m, struct sink *s, const char *line)
{
    size_t depth = scan_indent(line) / 2;
    const char *body = line + scan_indent(line);
    if (m->told < m->failing || !*body || depth == 0 || depth >= DEPTH_MAX)
        return false;
    bool tick = false, test = numbered(body, 1) || (m->failing == 0 && scan_prefix(body, "- "));
    for (size_t i = 0; i < ARRAY_SIZE(ticks); i++)
        tick |= scan_prefix(body, ticks[i]) != NULL;
    if (!(tick && depth == 1) && !((tick || test) && m->titles[depth - 1])) {
        forget_titles(m, depth);
        m->titles[depth] = xstrndup(body, TITLE_MAX);
        return false;
    }
    end_block(m, s);
    m->failures.len = 0;
    m->section = SECTION_LIST;
    m->again = true;
    take_listed(m, s, line);
    return true;
}

static void mocha_line(void *state, struct sink *s, const char *line, size_t len)
{
    struct mocha *m = state;
    (void)len;
    if (m->section != SECTION_TITLE && take_passing(m, s, line))
        return;
    if (m->section == SECTION_LIST) {
        take_listed(m, s, line);
        return;
    }
    if (take_next_failure(m, s, line))
        return;
    if (m->section != SECTION_TITLE && take_next_run(m, s, line))
        return;
    if (m->section == SECTION_COUNTS)
        take_count(m, s, line);
    else if (m->section == SECTION_TITLE && *line)
        take_title(m, s, line + scan_indent(line));
    else if (m->section == SECTION_TEXT)
        sink_line(s, m->block, line + (scan_indent(line) > 5 ? 6 : scan_indent(line)));
}

static void mocha_end(void *state, struct sink *s)
{
    struct mocha *m = state;
    end_block(m, s);
    if (m->section == SECTION_LIST && !m->again)
        sink_problem(s, "the output is cut short: there are no counts (\"N passing\")");
    if (m->told < m->failing)
        sink_problem(s, "the output is cut short: %zu of %zu failures are told", m->told,
                     m->failing);
    s->partial = s->said > (long)s->found.cases.len;
}

static void mocha_begin(void *state)
{
    struct mocha *m = state;
    m->block = SINK_NONE;
}

static void mocha_deinit(void *state)
{
    struct mocha *m = state;
    forget_titles(m, 0);
    vec_deinit(&m->failures);
    strvec_deinit(&m->path);
}

const struct reader_format format_mocha = {
    .name = "mocha",
    .doc = "Mocha's spec reporter",
    .state_size = sizeof(struct mocha),
    .begin = mocha_begin,
    .line = mocha_line,
    .end = mocha_end,
    .deinit = mocha_deinit,
};

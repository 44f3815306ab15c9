/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Python's unittest and Django's test command: class TextTestResult of
 * https://github.com/python/cpython/blob/main/Lib/unittest/runner.py
 *
 * With -v (-v 2) every test has its line, with or without its docstring's first one; without, only
 * what failed is named. Subtests belong to their test. What a test prints may stand between its
 * name and its verdict.
 */
#include "read/formats.h"

#include <ctype.h>
#include <string.h>

#include <cleanroom/strbuf.h>

#include "read/scan.h"
#include "read/sink.h"

#define RULER_LENGTH 70

enum section {
    SECTION_TESTS,
    SECTION_TITLE, /* after "=====" */
    SECTION_INTRO, /* the docstring, up to "-----" */
    SECTION_BLOCK,
    SECTION_END, /* after "Ran 3 tests" */
};

struct unittest {
    enum section section;
    size_t first;  /* case of this run */
    size_t extras; /* at its begin */
    char *header;  /* "test_a (x.Y)" that waits for the line with its docstring */
    size_t test;   /* that has no verdict yet, or SINK_NONE */
    size_t block;  /* whose text it is, or SINK_NONE */
    bool after_bar, verbose, ended;
};

static const struct {
    const char *word;
    enum case_status status;
} verdicts[] = {
    {"ok", CASE_PASSED},
    {"FAIL", CASE_FAILED},
    {"ERROR", CASE_ERROR},
    {"skipped ", CASE_SKIPPED},
    {"expected failure", CASE_SKIPPED},
    {"unexpected success", CASE_FAILED},
};

/* The length of "name (path)" at the begin of s, or 0. */
static size_t title_length(const char *s)
{
    size_t name = strcspn(s, " (");
    if (name == 0 || s[name] != ' ' || s[name + 1] != '(')
        return 0;
    const char *p = s + name + 2;
    while (isalnum((unsigned char)*p) || *p == '_' || *p == '.' || *p == '<' || *p == '>')
        p++;
    return *p == ')' ? (size_t)(p - s) + 1 : 0;
}

/* The same, where it could be prose: with a dot in it. */
static size_t header_length(const char *s)
{
    size_t len = title_length(s);
    return len && memchr(s, '.', len) ? len : 0;
}

/* Of "Doctest: module.function ... ", the line after its header: "function (module)"; or NULL. */
static char *doctest_header(const char *line)
{
    const char *path = scan_prefix(line, "Doctest: ");
    size_t len = path ? strcspn(path, " ") : 0;
    const char *dot = len ? memrchr(path, '.', len) : NULL;
    return dot ? xasprintf("%.*s (%.*s)", (int)(path + len - dot) - 1, dot + 1, (int)(dot - path),
                           path)
               : NULL;
}

static bool is_fixture(const char *header)
{
    static const char *const names[] = {"setUpClass (", "tearDownClass (", "setUpModule (",
                                        "tearDownModule ("};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (scan_prefix(header, names[i]))
            return true;
    return false;
}

/* Since Python 3.11 the path ends with the name. */
static size_t open_test(struct sink *s, const char *header)
{
    size_t name_len = strcspn(header, " ");
    _cleanup_free_ char *name = xstrndup(header, name_len);
    const char *path = header + name_len + 2;
    size_t len = strcspn(path, ")");
    if (len > name_len + 1 && path[len - name_len - 1] == '.' &&
        memcmp(path + len - name_len, name, name_len) == 0)
        len -= name_len + 1;
    _cleanup_free_ char *classname = xstrndup(path, len);
    size_t at = sink_open(s, classname, name);
    sink_key(s, at, header);
    if (at != SINK_NONE)
        s->extras += is_fixture(header);
    return at;
}

static bool close_by(struct sink *s, size_t at, const char *verdict)
{
    for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
        const char *rest = scan_prefix(verdict, verdicts[i].word);
        if (!rest || (*rest && verdicts[i].status != CASE_SKIPPED))
            continue;
        sink_close(s, at, verdicts[i].status, -1);
        _cleanup_free_ char *reason = scan_unquoted(rest); /* skipped 'not today' */
        sink_message(s, at, *reason ? reason : i > 2 ? verdicts[i].word : NULL);
        return true;
    }
    return false;
}

/* What follows the " ... " of s, which may be the end of the line; or NULL. */
static const char *after_dots(const char *s)
{
    const char *dots = strstr(s, " ...");
    while (dots && dots[4] && dots[4] != ' ')
        dots = strstr(dots + 1, " ...");
    return dots ? dots + 4 + (dots[4] == ' ') : NULL;
}

/* Until it is sure. */
static bool is_likely(const char *header)
{
    return scan_prefix(header, "test") || scan_prefix(header, "runTest ") || is_fixture(header);
}

static size_t previous_or_new(struct sink *s, const char *header, bool subtest)
{
    size_t at = sink_find(s, header);
    return at != SINK_NONE && (subtest || sink_is_open(s, at)) ? at : open_test(s, header);
}

/* After "name (path) ... ": a verdict, the next test (the verdict is never told), or output. */
static void take_rest(struct unittest *u, struct sink *s, const char *header, bool subtest,
                      const char *rest)
{
    size_t at = previous_or_new(s, header, subtest);
    u->verbose = true;
    u->test = SINK_NONE;
    if (subtest && !scan_prefix(rest, "FAIL") && !scan_prefix(rest, "ERROR"))
        return;
    if (close_by(s, at, rest)) {
        sink_sure(s);
        return;
    }
    u->test = at;
    if (*rest)
        sink_line(s, at, rest);
}

static void take_test(struct unittest *u, struct sink *s, const char *line)
{
    for (;;) {
        size_t blanks = scan_indent(line), len = header_length(line + blanks);
        if (!s->sure && !is_likely(line + blanks))
            len = 0;
        const char *after = line + blanks + len;
        if (!len && !u->header)
            u->header = doctest_header(line);
        if (!len && u->header && after_dots(line)) {
            _cleanup_free_ char *header = TAKE_PTR(u->header);
            take_rest(u, s, header, false, after_dots(line));
            return;
        }
        free(u->header);
        u->header = NULL;
        if (!len && u->test != SINK_NONE && close_by(s, u->test, line))
            u->test = SINK_NONE;
        else if (!len && u->test != SINK_NONE)
            sink_line(s, u->test, line);
        if (!len)
            return;

        char *header = xstrndup(line + blanks, len);
        const char *rest = after_dots(after);
        if (!rest) {
            u->header = *after ? NULL : xstrdup(header);
            free(header);
            return;
        }
        size_t next = header_length(rest);
        take_rest(u, s, header, blanks > 0 && *after == ' ' && after[1] != '.', next ? "" : rest);
        free(header);
        if (!next)
            return;
        line = rest;
    }
}

static bool is_ruler(const char *line, size_t len, char c)
{
    return len == RULER_LENGTH && line[0] == c && strspn(line, (char[]){c, '\0'}) == len;
}

static void end_block(struct unittest *u, struct sink *s)
{
    sink_flush(s, u->block);
    sink_traceback(s, u->block);
    u->block = SINK_NONE;
}

/* "FAIL: test_a (x.Y) (i=1)". */
static void take_title(struct unittest *u, struct sink *s, const char *line)
{
    static const struct {
        const char *word;
        enum case_status status;
    } kinds[] = {
        {"FAIL: ", CASE_FAILED}, {"ERROR: ", CASE_ERROR}, {"UNEXPECTED SUCCESS: ", CASE_FAILED}};
    u->section = SECTION_TESTS;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        const char *title = scan_prefix(line, kinds[i].word);
        size_t len = title ? title_length(title) : 0;
        if (!len)
            continue;
        sink_sure(s);
        _cleanup_free_ char *header = xstrndup(title, len);
        u->block = sink_find(s, header);
        if (u->block == SINK_NONE)
            u->block = open_test(s, header);
        const struct result_case *c = sink_case(s, u->block);
        if (sink_is_open(s, u->block) || (c && c->status == CASE_PASSED))
            sink_close(s, u->block, kinds[i].status, -1);
        if (i == 2)
            sink_message(s, u->block, "unexpected success");
        u->section = SECTION_INTRO;
    }
}

/* "Ran 12 tests in 0.034s". Before 3.12.2 Python 3.12 does not count what was skipped. It stands at
   the end, so what is missing was not lost, but has a name that is not understood. */
static bool take_count(struct unittest *u, struct sink *s, const char *line)
{
    long count;
    nsec_t took;
    const char *rest = scan_prefix(line, "Ran ");
    rest = rest ? scan_number(rest, &count) : NULL;
    const char *time = rest ? scan_prefix(rest, count == 1 ? " test in " : " tests in ") : NULL;
    if (!time || !scan_time(time, &took))
        return false;

    end_block(u, s);
    sink_sure(s);
    long shown = (long)(s->found.cases.len - u->first - (s->extras - u->extras)), skipped = 0;
    for (size_t i = u->first; i < s->found.cases.len; i++)
        skipped += s->found.cases.items[i].status == CASE_SKIPPED;
    sink_say(s, u->verbose && skipped && count + 1 <= shown && shown - skipped <= count ? shown
                                                                                        : count);
    s->partial |= count > shown;
    u->section = SECTION_END;
    return true;
}

/* "OK (skipped=1, expected failures=2)". */
static void count_skipped(struct sink *s, const char *line)
{
    static const char *const words[] = {"skipped=", "expected failures="};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        const char *at = strstr(line, words[i]);
        long count;
        if (at && scan_number(at + strlen(words[i]), &count))
            s->skipped += count;
    }
}

/* All that failed has been named: what has no verdict has passed. */
static void take_end(struct unittest *u, struct sink *s, const char *line)
{
    if (!scan_prefix(line, "OK") && !scan_prefix(line, "FAILED (") &&
        strcmp(line, "NO TESTS RAN") != 0)
        return;
    count_skipped(s, line);
    for (size_t i = u->first; i < s->found.cases.len; i++)
        if (sink_is_open(s, i))
            sink_close(s, i, CASE_PASSED, -1);
    u->first = s->found.cases.len;
    u->extras = s->extras;
    u->test = SINK_NONE;
    u->ended = true;
    u->section = SECTION_TESTS;
}

static void unittest_line(void *state, struct sink *s, const char *line, size_t len)
{
    struct unittest *u = state;
    bool bar = is_ruler(line, len, '-'), after_bar = u->after_bar;
    u->after_bar = bar;
    if (after_bar && take_count(u, s, line))
        return;
    if (is_ruler(line, len, '=') && u->section != SECTION_END) {
        end_block(u, s);
        u->test = SINK_NONE;
        u->section = SECTION_TITLE;
        return;
    }
    switch (u->section) {
    case SECTION_TESTS:
        if (len)
            u->ended &= !header_length(line);
        take_test(u, s, line);
        return;
    case SECTION_TITLE:
        take_title(u, s, line);
        return;
    case SECTION_INTRO:
        u->section = bar ? SECTION_BLOCK : SECTION_INTRO;
        return;
    case SECTION_BLOCK:
        if (!bar)
            sink_line(s, u->block, line);
        return;
    case SECTION_END:
        take_end(u, s, line);
        return;
    }
}

static void unittest_end(void *state, struct sink *s)
{
    struct unittest *u = state;
    end_block(u, s);
    if (!u->ended)
        sink_problem(s, "the output is cut short: there is no \"Ran ... tests\" with its verdict");
}

static void unittest_begin(void *state)
{
    struct unittest *u = state;
    u->test = u->block = SINK_NONE;
}

static void unittest_deinit(void *state)
{
    struct unittest *u = state;
    free(u->header);
}

const struct reader_format format_unittest = {
    .name = "unittest",
    .doc = "Python's unittest and Django's test command, best with -v 2",
    .state_size = sizeof(struct unittest),
    .begin = unittest_begin,
    .line = unittest_line,
    .end = unittest_end,
    .deinit = unittest_deinit,
};

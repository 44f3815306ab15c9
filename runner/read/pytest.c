/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pytest's terminal: class TerminalReporter of
 * https://github.com/pytest-dev/pytest/blob/main/src/_pytest/terminal.py
 *
 * With -v (and pytest-xdist's) every test has its line; without, only what failed is named, at the
 * end. What failed is told at length in blocks "____ Class.test ____" in between. Classes and names
 * are those of pytest's own JUnit report.
 */
#include "read/formats.h"

#include <string.h>

#include <cleanroom/strbuf.h>

#include "read/scan.h"
#include "read/sink.h"

enum section {
    SECTION_NONE,
    SECTION_TESTS,
    SECTION_ERRORS,
    SECTION_FAILURES,
    SECTION_SUMMARY,
    SECTION_OTHER,
};

static const struct {
    const char *title;
    enum section section;
} sections[] = {
    {"ERRORS", SECTION_ERRORS},
    {"FAILURES", SECTION_FAILURES},
    {"short test summary info", SECTION_SUMMARY},
};

struct verdict {
    const char *word;
    enum case_status status;
    const char *message;
};
static const struct verdict verdicts[] = {
    {"PASSED", CASE_PASSED, NULL}, {"FAILED", CASE_FAILED, NULL},
    {"ERROR", CASE_ERROR, NULL},   {"SKIPPED", CASE_SKIPPED, NULL},
    {"XPASS", CASE_PASSED, NULL},  {"XFAIL", CASE_SKIPPED, "expected failure"},
};

struct pytest {
    enum section section;
    bool ended;
    bool interrupted;            /* it says itself that it did not run all */
    bool quiet;                  /* -q: no header, and the last line has no ruler */
    bool progress;               /* a line of dots; with -q, all that comes before the last line */
    size_t width;                /* of its rulers; what tests print looks similar */
    size_t test;                 /* that has begun and prints, or SINK_NONE */
    char *id;                    /* its */
    const struct verdict *maybe; /* the end of what it printed looks like this */
    size_t block;                /* whose text it is, or SINK_NONE */
    bool has_block;
    long collected; /* in this session; -1: not told */
};

/* The length of "path.py::Class::test[a b]" at the begin of s, or 0. Only parameters have blanks.
 */
static size_t id_length(const char *s)
{
    size_t len = strcspn(s, " [");
    if (s[len] == '[') {
        const char *end = NULL;
        for (const char *p = s + len; *p; p++) {
            if (*p != ']' || (p[1] && p[1] != ' '))
                continue;
            end = p;
            if (scan_prefix(p + 1, " - "))
                break;
            const char *next = p + 1 + strspn(p + 1, " ");
            bool settled = !*next;
            for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++)
                settled |= scan_prefix(next, verdicts[i].word) != NULL;
            if (settled)
                break;
        }
        len = end ? (size_t)(end - s) + 1 : 0;
    }
    return len && memmem(s, len, "::", 2) && *s != ':' ? len : 0;
}

/* "tests/test_a.py::TestX::test_b[c::d]" as pytest's JUnit has it: tests.test_a.TestX, test_b[...].
 */
static void split_id(const char *id, struct strbuf *classname, const char **name)
{
    const char *end = id + strcspn(id, "[");
    const char *file_end = memmem(id, (size_t)(end - id), "::", 2);
    if (!file_end)
        file_end = id + strlen(id);
    *name = NULL;
    for (const char *p = file_end; p + 1 < end; p++)
        if (p[0] == ':' && p[1] == ':')
            *name = p + 2;

    size_t file_len = (size_t)(file_end - id);
    if (file_len > 3 && memcmp(file_end - 3, ".py", 3) == 0)
        file_len -= 3;
    strbuf_add(classname, id, file_len);
    for (size_t i = 0; i < classname->len; i++)
        if (classname->buf[i] == '/')
            classname->buf[i] = '.';
    for (const char *p = file_end; *name && p < *name - 2; p++)
        if (p[0] == ':' && p[1] == ':')
            strbuf_addc(classname, '.'), p++;
        else
            strbuf_addc(classname, *p);
}

/* As a block's title has it: "TestX.test_b[c]"; of a file that cannot be loaded, its path. */
static char *title_of(const char *id)
{
    struct strbuf title = STRBUF_INIT;
    const char *parameters = id + strcspn(id, "[");
    const char *p = memmem(id, (size_t)(parameters - id), "::", 2);
    for (p = p ? p + 2 : id; p < parameters; p++)
        if (p[0] == ':' && p[1] == ':')
            strbuf_addc(&title, '.'), p++;
        else
            strbuf_addc(&title, *p);
    strbuf_adds(&title, parameters);
    return strbuf_detach(&title);
}

static size_t open_test(struct sink *s, const char *id)
{
    _cleanup_strbuf_ struct strbuf classname = STRBUF_INIT;
    const char *name;
    split_id(id, &classname, &name);
    size_t at = sink_open(s, classname.buf, name ? name : "(collection)");
    if (!name && at != SINK_NONE)
        s->extras++;
    sink_key(s, at, id);
    return at;
}

/* So that the block that tells it at length finds its case. */
static void await_block(struct sink *s, size_t at, const char *id, enum case_status status)
{
    _cleanup_free_ char *title = title_of(id);
    _cleanup_free_ char *key = xasprintf("%c %s", status == CASE_ERROR ? 'E' : 'F', title);
    sink_queue(s, at, key);
}

/* reason: "(not today)   [ 50%]". */
static void apply(struct sink *s, const char *id, const struct verdict *v, const char *reason)
{
    size_t at = sink_find(s, id);
    struct result_case *c = sink_case(s, at);
    if (c && !sink_is_open(s, at) && v->status == CASE_ERROR) {
        if (c->status == CASE_ERROR)
            return;
        c->status = CASE_ERROR; /* it passed, its teardown did not */
    } else {
        if (!sink_is_open(s, at))
            at = open_test(s, id);
        sink_close(s, at, v->status, -1);
    }
    if (v->status == CASE_FAILED || v->status == CASE_ERROR)
        await_block(s, at, id, v->status);
    const char *end = strrchr(reason, ')');
    if (*reason == '(' && end && v->status == CASE_SKIPPED) {
        _cleanup_free_ char *text = xstrndup(reason + 1, (size_t)(end - reason) - 1);
        sink_message(s, at, text);
    }
    sink_message(s, at, v->message);
}

/* What it printed last may have been its verdict. */
static void close_begun(struct pytest *t, struct sink *s)
{
    if (t->maybe && sink_is_open(s, t->test))
        apply(s, t->id, t->maybe, "");
    t->test = SINK_NONE;
    t->maybe = NULL;
}

/* The verdict that s begins with; *rest is what follows it. */
static const struct verdict *verdict_at(const char *s, const char **rest)
{
    for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
        const char *after = scan_prefix(s, verdicts[i].word);
        if (!after || (*after && *after != ' '))
            continue;
        *rest = after + strspn(after, " ");
        if (!**rest || **rest == '(' || **rest == '[')
            return &verdicts[i];
    }
    return NULL;
}

static const struct verdict *verdict_at_end(const char *s)
{
    size_t len = scan_trimmed(s, strlen(s));
    for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
        size_t word = strlen(verdicts[i].word);
        if (len >= word && memcmp(s + len - word, verdicts[i].word, word) == 0)
            return &verdicts[i];
    }
    return NULL;
}

/* pytest-xdist: "[gw0] [ 50%] PASSED tests/test_a.py::test_b". */
static bool take_worker_line(struct sink *s, const char *line)
{
    const char *rest = scan_prefix(line, "[gw");
    rest = rest ? strstr(rest, "%] ") : NULL;
    if (!rest)
        return false;
    const char *word = rest + 3, *id;
    for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
        id = scan_prefix(word, verdicts[i].word);
        size_t len = id && *id == ' ' ? id_length(id + 1) : 0;
        if (!len)
            continue;
        _cleanup_free_ char *key = xstrndup(id + 1, len);
        apply(s, key, &verdicts[i], "");
        return true;
    }
    return false;
}

static void take_output(struct pytest *t, struct sink *s, const char *line)
{
    const char *rest;
    const struct verdict *v = verdict_at(line, &rest);
    if (v) {
        apply(s, t->id, v, rest);
        t->test = SINK_NONE;
        t->maybe = NULL;
        return;
    }
    t->maybe = verdict_at_end(line);
    sink_line(s, t->test, line);
}

static void take_test(struct pytest *t, struct sink *s, const char *line)
{
    size_t len = id_length(line);
    if (!len) {
        if (!take_worker_line(s, line) && t->test != SINK_NONE)
            take_output(t, s, line);
        return;
    }
    close_begun(t, s);
    _cleanup_free_ char *id = xstrndup(line, len);
    const char *rest = line + len + strspn(line + len, " "), *reason;
    const struct verdict *v = verdict_at(rest, &reason);
    if (v) {
        apply(s, id, v, reason);
        return;
    }
    if (!sink_is_open(s, sink_find(s, id)))
        open_test(s, id);
    t->test = sink_find(s, id);
    replace_str(&t->id, id);
    if (*rest)
        take_output(t, s, rest);
}

/* pytest-xdist's: "4 workers [12 items]", "gw0 [12] / gw1 [12]". */
static const char *workers_count(const char *line)
{
    long workers;
    const char *gateway = scan_prefix(line, "gw");
    const char *rest = scan_number(gateway ? gateway : line, &workers);
    return rest ? scan_prefix(rest, gateway ? " [" : " workers [") : NULL;
}

/* "collected 12 items / 1 error / 2 deselected / 10 selected". */
static bool take_count(struct pytest *t, const char *line)
{
    const char *number = strstr(line, "collected ");
    bool here = number && (number == line || scan_prefix(line, "collecting"));
    number = here ? number + strlen("collected ") : workers_count(line);
    long count;
    const char *rest = number ? scan_number(number, &count) : NULL;
    if (!rest || !(scan_prefix(rest, " item") || *rest == ']'))
        return false;
    const char *selected = strstr(rest, " deselected / ");
    if (selected)
        scan_number(selected + strlen(" deselected / "), &count);
    t->collected = count;
    return true;
}

/* How many tests, or more when there are errors: a test may pass and its teardown not. */
struct totals {
    long all, passed, skipped;
};

/* The word at s, up to the comma or " in ". Plugins have more: "rerun", "subtests passed". */
static void add_count(struct totals *t, const char *s, size_t len, long count)
{
    static const char *const words[] = {"passed", "xpassed", "skipped", "xfailed",
                                        "failed", "error",   "errors"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strlen(words[i]) != len || memcmp(s, words[i], len) != 0)
            continue;
        t->all += count;
        t->passed += i < 2 ? count : 0;
        t->skipped += i == 2 || i == 3 ? count : 0;
    }
}

/* "2 failed, 6 passed, 1 skipped in 0.04s"; false: it is something else. */
static bool final_count(const char *title, struct totals *totals)
{
    long count;
    nsec_t took;
    *totals = (struct totals){0};
    if (scan_prefix(title, "no tests ran"))
        return true;
    for (const char *p = title;; p += 2) {
        const char *word = scan_number(p, &count);
        if (!word || *word++ != ' ')
            return false;
        size_t len = strcspn(word, ",");
        const char *time = memmem(word, len, " in ", 4);
        len = time ? (size_t)(time - word) : len;
        add_count(totals, word, len, count);
        p = word + len;
        if (time)
            return scan_time(time + 4, &took) != NULL;
        if (!scan_prefix(p, ", "))
            return false;
    }
}

static void end_block(struct pytest *t, struct sink *s)
{
    if (t->has_block)
        sink_flush(s, t->block);
    t->has_block = false;
    t->block = SINK_NONE;
}

static void begin_session(struct pytest *t, struct sink *s, bool quiet)
{
    t->quiet = quiet;
    t->section = SECTION_TESTS;
    t->ended = t->interrupted = false;
    t->collected = -1;
    sink_sure(s);
}

/* What plugins take away (those that shard, most of all) was collected, too. */
static void end_session(struct pytest *t, struct sink *s, const struct totals *totals)
{
    t->section = SECTION_NONE;
    t->ended = true;
    t->progress = false;
    s->passed = (s->passed < 0 ? 0 : s->passed) + totals->passed;
    s->skipped += totals->skipped;
    bool all = t->collected < 0 || (totals->all < t->collected && !t->interrupted);
    sink_say(s, all ? totals->all : t->collected);
    if (t->interrupted && totals->all < t->collected)
        sink_problem(s, "pytest collected %ld tests and ended after %ld", t->collected,
                     totals->all);
}

static enum section section_of(const char *title)
{
    for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
        if (strcmp(title, sections[i].title) == 0)
            return sections[i].section;
    return SECTION_OTHER;
}

/* A title that is too long has one "=" on either side. */
static bool is_as_wide(const struct pytest *t, size_t len, size_t left)
{
    return len == t->width || (len > t->width && left == 1);
}

/* "!!!! stopping after 1 failures !!!!", "!!!! Interrupted: 1 error during collection !!!!". */
static bool is_interruption(const char *line, size_t len)
{
    static const char *const words[] = {" stopping after ", " Interrupted: ", " KeyboardInterrupt ",
                                        "outcomes.Exit", " xdist.dsession.Interrupted: "};
    size_t left = strspn(line, "!");
    if (left == 0 || left == len || line[len - 1] != '!')
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strstr(line + left, words[i]))
            return true;
    return false;
}

/* "=== title ===". */
static bool take_ruler(struct pytest *t, struct sink *s, const char *line, size_t len)
{
    if (line[0] != '=' || line[len - 1] != '=')
        return false;
    size_t left = strspn(line, "=");
    if (left == len || line[left] != ' ')
        return false;
    size_t right = len;
    while (line[right - 1] == '=')
        right--;
    if (right < left + 2)
        return false;
    _cleanup_free_ char *title = xstrndup(line + left + 1, right - left - 2);

    bool starts = strcmp(title, "test session starts") == 0;
    enum section section = section_of(title);
    struct totals totals;
    bool ends = final_count(title, &totals);
    if (t->section == SECTION_NONE ? !starts && section == SECTION_OTHER
                                   : starts || !is_as_wide(t, len, left))
        return false;
    close_begun(t, s);
    end_block(t, s);
    if (t->section == SECTION_NONE) {
        t->width = len;
        begin_session(t, s, !starts);
    }
    if (!starts)
        t->section = section;
    if (ends)
        end_session(t, s, &totals);
    return true;
}

/* The title of "____ title ____", or NULL. "_ _ _" divides within a block. */
static char *block_title(const char *line, size_t len)
{
    size_t left = strspn(line, "_");
    if (left == 0 || line[left] != ' ' || line[left + 1] == '_' || line[len - 1] != '_')
        return NULL;
    size_t right = len;
    while (line[right - 1] == '_')
        right--;
    if (right < left + 3 || line[right - 1] != ' ')
        return NULL;
    return xstrndup(line + left + 1, right - left - 2);
}

static void begin_block(struct pytest *t, struct sink *s, const char *title)
{
    static const char *const phases[] = {"ERROR at setup of ", "ERROR at teardown of ",
                                         "ERROR collecting "};
    end_block(t, s);
    bool error = t->section == SECTION_ERRORS;
    const char *name = title;
    for (size_t i = 0; i < ARRAY_SIZE(phases); i++)
        if (scan_prefix(title, phases[i]))
            name = scan_prefix(title, phases[i]);
    _cleanup_free_ char *key = xasprintf("%c %s", error ? 'E' : 'F', name);
    t->block = sink_claim(s, key);
    t->has_block = true;
    if (t->block != SINK_NONE)
        return;
    /* The summary will tell whose it is. */
    t->block = sink_add(s, "pytest", name, error ? CASE_ERROR : CASE_FAILED, -1);
    _cleanup_free_ char *nameless = xasprintf("? %s", key);
    sink_queue(s, t->block, nameless);
}

static void take_block_line(struct pytest *t, struct sink *s, const char *line, size_t len)
{
    _cleanup_free_ char *title = block_title(line, len);
    if (title) {
        begin_block(t, s, title);
        return;
    }
    if (!t->has_block)
        return;
    sink_line(s, t->block, line);
    const char *error = scan_prefix(line, "E   ");
    if (error)
        sink_error(s, t->block, error);
}

/* Gives the case that a block has made its names. */
static void name_case(struct sink *s, size_t at, const char *id)
{
    _cleanup_strbuf_ struct strbuf classname = STRBUF_INIT;
    const char *name;
    split_id(id, &classname, &name);
    sink_rename(s, at, classname.buf, name ? name : "(collection)");
    s->extras += !name;
    sink_key(s, at, id);
}

/* "FAILED tests/test_a.py::test_b - AssertionError: no". */
static void take_summary(struct sink *s, const char *line)
{
    enum case_status status = *line == 'F' ? CASE_FAILED : CASE_ERROR;
    const char *id = scan_prefix(line, "FAILED ");
    id = id ? id : scan_prefix(line, "ERROR ");
    if (!id || !*id || *id == ' ')
        return;
    size_t len = id_length(id);
    len = len ? len : strcspn(id, " ");
    _cleanup_free_ char *key = xstrndup(id, len);
    size_t at = sink_find(s, key);
    if (at == SINK_NONE) {
        _cleanup_free_ char *title = title_of(key);
        _cleanup_free_ char *nameless = xasprintf("? %c %s", *line, title);
        at = sink_claim(s, nameless);
        if (at != SINK_NONE)
            name_case(s, at, key);
    }
    if (at == SINK_NONE) {
        at = open_test(s, key);
        sink_close(s, at, status, -1);
    }
    const char *message = scan_prefix(id + len, " - ");
    if (message)
        sink_error(s, at, message);
}

/* "..s.F     [ 71%]", "[5/7]". */
static bool is_progress(const char *line, size_t len)
{
    size_t letters = strspn(line, ".sxXFER,");
    const char *p = line + letters + strspn(line + letters, " ");
    if (letters == 0 || p == line + letters || *p++ != '[')
        return false;
    p += strspn(p, " 0123456789/%");
    return *p == ']' && p == line + len - 1;
}

/* The last line of a session that has no ruler. One in which all passed may have had none at all.
 */
static bool ends_quietly(struct pytest *t, struct sink *s, const char *line, struct totals *totals)
{
    bool begun = t->section != SECTION_NONE;
    if (begun ? !t->quiet : !t->progress)
        return false;
    if (!final_count(line, totals) || (!begun && totals->all == 0))
        return false;
    if (!begun)
        begin_session(t, s, true);
    return true;
}

static void pytest_line(void *state, struct sink *s, const char *line, size_t len)
{
    struct pytest *t = state;
    if (len && take_ruler(t, s, line, len))
        return;
    if (len && t->section != SECTION_NONE)
        t->interrupted |= is_interruption(line, len);
    t->progress = t->progress || is_progress(line, len);
    struct totals totals;
    if (ends_quietly(t, s, line, &totals))
        end_session(t, s, &totals);
    switch (t->section) {
    case SECTION_TESTS:
        if (!take_count(t, line))
            take_test(t, s, line);
        return;
    case SECTION_ERRORS:
    case SECTION_FAILURES:
        take_block_line(t, s, line, len);
        return;
    case SECTION_SUMMARY:
        take_summary(s, line);
        return;
    case SECTION_NONE:
    case SECTION_OTHER:
        return;
    }
}

static void pytest_end(void *state, struct sink *s)
{
    struct pytest *t = state;
    close_begun(t, s);
    end_block(t, s);
    if (!t->ended)
        sink_problem(s, "the output is cut short: pytest's last line is not there");
    s->partial = s->said > (long)(s->found.cases.len - s->extras);
}

static void pytest_begin(void *state)
{
    struct pytest *t = state;
    t->test = t->block = SINK_NONE;
    t->collected = -1;
}

static void pytest_deinit(void *state)
{
    struct pytest *t = state;
    free(t->id);
}

const struct reader_format format_pytest = {
    .name = "pytest",
    .doc = "pytest's terminal, best with -v",
    .state_size = sizeof(struct pytest),
    .begin = pytest_begin,
    .line = pytest_line,
    .end = pytest_end,
    .deinit = pytest_deinit,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GoogleTest's text: class PrettyUnitTestResultPrinter of
 * https://github.com/google/googletest/blob/main/googletest/src/gtest.cc
 */
#include "read/formats.h"

#include <string.h>

#include "read/scan.h"
#include "read/sink.h"

struct googletest {
    size_t test; /* that runs, or SINK_NONE */
    char *name;  /* its whole one */
    bool running;
};

static const struct {
    const char *tag;
    enum case_status status;
} verdicts[] = {
    {"[       OK ] ", CASE_PASSED},
    {"[  FAILED  ] ", CASE_FAILED},
    {"[  SKIPPED ] ", CASE_SKIPPED},
};

/* "Suite.name": neither part has a dot. */
static void begin_test(struct googletest *g, struct sink *s, const char *name)
{
    const char *dot = strchr(name, '.');
    if (!dot)
        return;
    _cleanup_free_ char *suite = xstrndup(name, (size_t)(dot - name));
    g->test = sink_open(s, suite, dot + 1);
    replace_str(&g->name, name);
}

/* "Suite.name (0 ms)", "Suite.name, where GetParam() = 3 (0 ms)". */
static bool is_of_test(const struct googletest *g, const char *rest)
{
    const char *after = scan_prefix(rest, g->name);
    return after && (!*after || *after == ' ' || *after == ',');
}

static void end_test(struct googletest *g, struct sink *s, enum case_status status,
                     const char *rest)
{
    nsec_t took = -1;
    scan_without_time(rest, strlen(rest), &took);
    sink_close(s, g->test, status, took);
    const struct result_case *c = sink_case(s, g->test);
    if (c && status == CASE_FAILED)
        sink_message(s, g->test, c->text);
    if (c && status == CASE_SKIPPED && c->output) {
        const char *reason = strchr(c->output, '\n');
        sink_message(s, g->test, reason && reason[1] ? reason + 1 : c->output);
    }
    g->test = SINK_NONE;
}

static bool take_verdict(struct googletest *g, struct sink *s, const char *line)
{
    for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
        const char *tag = strstr(line, verdicts[i].tag);
        const char *rest = tag ? tag + strlen(verdicts[i].tag) : NULL;
        if (!rest || !is_of_test(g, rest))
            continue;
        if (tag != line)
            sink_text(s, g->test, line, (size_t)(tag - line));
        end_test(g, s, verdicts[i].status, rest);
        return true;
    }
    return false;
}

/* "Running 7 tests from 3 test suites.", "7 tests from 3 test suites ran. (0 ms total)". */
static void take_bar(struct googletest *g, struct sink *s, const char *rest)
{
    const char *running = scan_prefix(rest, "Running ");
    long tests;
    const char *after = scan_number(running ? running : rest, &tests);
    if (!after || (!scan_prefix(after, " test from ") && !scan_prefix(after, " tests from ")))
        return;
    if (running) {
        sink_sure(s);
        sink_say(s, tests);
    }
    g->running = running != NULL;
}

/* Outside of a test: "[  FAILED  ] Suite: SetUpTestSuite or TearDownTestSuite". */
static void take_suite_failure(struct sink *s, const char *line)
{
    const char *name = scan_prefix(line, verdicts[1].tag);
    const char *colon = name ? strstr(name, ": SetUp") : NULL;
    if (!colon)
        return;
    _cleanup_free_ char *suite = xstrndup(name, (size_t)(colon - name));
    size_t at = sink_add(s, suite, "(suite)", CASE_ERROR, -1);
    sink_message(s, at, colon + 2);
    s->extras += at != SINK_NONE;
}

/* What was printed before may have had no newline. */
static const char *after_tag(const char *line, const char *tag)
{
    const char *at = strstr(line, tag);
    return at ? at + strlen(tag) : NULL;
}

static void googletest_line(void *state, struct sink *s, const char *line, size_t len)
{
    struct googletest *g = state;
    (void)len;
    /* Another program: this one died. */
    if (g->test != SINK_NONE && strstr(line, "[==========] Running "))
        g->test = SINK_NONE;
    if (g->test != SINK_NONE) {
        if (!take_verdict(g, s, line))
            sink_line(s, g->test, line);
        return;
    }
    const char *rest = after_tag(line, "[==========] ");
    if (rest)
        take_bar(g, s, rest);
    rest = g->running ? after_tag(line, "[ RUN      ] ") : NULL;
    if (rest)
        begin_test(g, s, rest);
    else if (s->sure && g->running)
        take_suite_failure(s, line);
}

static void googletest_end(void *state, struct sink *s)
{
    const struct googletest *g = state;
    if (g->running && g->test == SINK_NONE)
        sink_problem(s, "the output is cut short: there is no \"tests ran\"");
}

static void googletest_begin(void *state)
{
    struct googletest *g = state;
    g->test = SINK_NONE;
}

static void googletest_deinit(void *state)
{
    struct googletest *g = state;
    free(g->name);
}

const struct reader_format format_googletest = {
    .name = "googletest",
    .doc = "GoogleTest's text",
    .state_size = sizeof(struct googletest),
    .begin = googletest_begin,
    .line = googletest_line,
    .end = googletest_end,
    .deinit = googletest_deinit,
};

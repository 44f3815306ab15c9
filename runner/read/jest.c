/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jest's default and verbose reporters:
 * https://github.com/jestjs/jest/tree/main/packages/jest-reporters/src
 *
 * A case's class is its file, its name as in the headlines of failures: "sums › deep › wrong".
 * Without --verbose, and with more than one file, only what failed is named; files of which all is
 * skipped are never told of.
 */
#include "read/formats.h"

#include <string.h>

#include <cleanroom/strbuf.h>

#include "read/scan.h"
#include "read/sink.h"

#define DEPTH_MAX 64
#define TITLE_MAX 1024

enum section {
    SECTION_NONE,
    SECTION_FILE,
    SECTION_BLOCK,
    SECTION_END,
};

struct jest {
    enum section section;
    char *file;
    char *titles[DEPTH_MAX]; /* the describe blocks, by indentation */
    size_t block;            /* whose text it is, or SINK_NONE */
    bool ended;
};

static const struct {
    const char *mark;
    enum case_status status;
} marks[] = {
    {"\xe2\x9c\x93 ", CASE_PASSED},  /* check mark */
    {"\xe2\x88\x9a ", CASE_PASSED},  /* square root: on Windows */
    {"\xe2\x9c\x95 ", CASE_FAILED},  /* multiplication x */
    {"\xc3\x97 ", CASE_FAILED},      /* multiplication sign: on Windows */
    {"\xe2\x97\x8b ", CASE_SKIPPED}, /* circle */
    {"\xe2\x9c\x8e ", CASE_SKIPPED}, /* pencil */
};

#define BULLET    "\xe2\x97\x8f "
#define SEPARATOR " \xe2\x80\xba "

static void forget_titles(struct jest *j, size_t from)
{
    for (size_t i = from; i < DEPTH_MAX; i++) {
        free(j->titles[i]);
        j->titles[i] = NULL;
    }
}

static void end_block(struct jest *j, struct sink *s)
{
    sink_flush(s, j->block);
    const struct result_case *c = sink_case(s, j->block);
    if (c && c->text)
        sink_error(s, j->block, c->text);
    j->block = SINK_NONE;
}

static char *key_of(const struct jest *j, const char *name)
{
    return xasprintf("%s\n%.2048s", j->file, name);
}

static size_t add_case(struct jest *j, struct sink *s, const char *name, enum case_status status,
                       nsec_t took)
{
    _cleanup_free_ char *key = key_of(j, name);
    size_t at = sink_add(s, j->file, name, status, took);
    sink_key(s, at, key);
    if (status == CASE_FAILED)
        sink_queue(s, at, key);
    return at;
}

/* "PASS src/sum.test.js (5.1 s)"; on a terminal the word has blanks around it. */
static bool take_file(struct jest *j, struct sink *s, const char *line)
{
    const char *word = line + (*line == ' ');
    const char *file = scan_prefix(word, "PASS ");
    file = file ? file : scan_prefix(word, "FAIL ");
    if (!file)
        return false;
    file += strspn(file, " ");
    nsec_t took;
    size_t len = scan_without_time(file, strlen(file), &took);
    if (!len)
        return false;
    end_block(j, s);
    forget_titles(j, 0);
    free(j->file);
    j->file = xstrndup(file, len < TITLE_MAX ? len : TITLE_MAX);
    j->section = SECTION_FILE;
    j->ended = false;
    return true;
}

/* A line of the list: "    ✓ adds (1 ms)", "    deep". */
static void take_listed(struct jest *j, struct sink *s, const char *line, size_t len)
{
    static const char *const words[] = {"skipped ", "todo "};
    size_t blanks = scan_indent(line), depth = blanks / 2;
    const char *body = line + blanks, *name = NULL;
    if (!*body || blanks < 2 || depth >= DEPTH_MAX)
        return;
    forget_titles(j, depth);
    size_t i;
    for (i = 0; i < ARRAY_SIZE(marks) && !name; i++)
        name = scan_prefix(body, marks[i].mark);
    if (!name) {
        j->titles[depth] = xstrndup(body, TITLE_MAX);
        return;
    }

    enum case_status status = marks[i - 1].status;
    for (size_t w = 0; w < ARRAY_SIZE(words) && status == CASE_SKIPPED; w++)
        name = scan_prefix(name, words[w]) ? scan_prefix(name, words[w]) : name;
    nsec_t took = -1;
    size_t name_len = scan_without_time(name, len - (size_t)(name - line), &took);
    _cleanup_strbuf_ struct strbuf full = STRBUF_INIT;
    strbuf_init(&full, 4096);
    for (size_t d = 0; d < depth; d++)
        if (j->titles[d])
            strbuf_addf(&full, "%s" SEPARATOR, j->titles[d]);
    strbuf_add(&full, name, name_len);
    add_case(j, s, full.buf, status, took);
    sink_sure(s);
}

/* "  ● sums › wrong". At the end some are told again. */
static bool take_headline(struct jest *j, struct sink *s, const char *line)
{
    const char *title = scan_prefix(line, "  " BULLET);
    if (!title)
        return false;
    end_block(j, s);
    j->section = SECTION_BLOCK;
    if (strcmp(title, "Console") == 0)
        return true;

    bool suite = strcmp(title, "Test suite failed to run") == 0;
    const char *name = suite ? "(suite)" : title;
    _cleanup_free_ char *key = key_of(j, name);
    j->block = sink_claim(s, key);
    if (j->block != SINK_NONE || sink_find(s, key) != SINK_NONE)
        return true;
    j->block = add_case(j, s, name, suite ? CASE_ERROR : CASE_FAILED, -1);
    if (j->block != SINK_NONE)
        s->extras += suite;
    if (!suite)
        sink_claim(s, key);
    return true;
}

/* "Tests:       1 failed, 2 skipped, 1 todo, 8 total". */
static void take_totals(struct jest *j, struct sink *s, const char *line)
{
    const char *total = scan_prefix(line, "Tests: ");
    if (!total)
        return;
    long tests = 0;
    for (const char *p = total + strspn(total, " "); p; p = strstr(p, ", ")) {
        p += *p == ',' ? 2 : 0;
        const char *word = scan_number(p, &tests);
        if (word && strcmp(word, " total") == 0) {
            sink_sure(s);
            sink_say(s, tests);
            j->ended = true;
        } else if (word && (scan_prefix(word, " skipped") || scan_prefix(word, " todo"))) {
            s->skipped += tests;
        }
    }
    j->section = SECTION_NONE;
}

static bool ends_block(const char *line)
{
    return scan_prefix(line, "  console.") || scan_prefix(line, "Summary of all failing tests");
}

static void jest_line(void *state, struct sink *s, const char *line, size_t len)
{
    struct jest *j = state;
    if (take_file(j, s, line))
        return;
    if (scan_prefix(line, "Test Suites: ") && j->file) {
        end_block(j, s);
        j->section = SECTION_END;
        return;
    }
    if (j->section == SECTION_END)
        take_totals(j, s, line);
    if (j->section != SECTION_FILE && j->section != SECTION_BLOCK)
        return;
    if (take_headline(j, s, line))
        return;
    if (ends_block(line)) {
        end_block(j, s);
        j->section = SECTION_NONE;
    } else if (j->section == SECTION_FILE) {
        take_listed(j, s, line, len);
    } else if (j->block != SINK_NONE) {
        sink_line(s, j->block, line + (scan_prefix(line, "    ") ? 4 : 0));
    }
}

static void jest_end(void *state, struct sink *s)
{
    struct jest *j = state;
    end_block(j, s);
    if (!j->ended)
        sink_problem(s, "the output is cut short: there are no totals (\"Tests: ...\")");
    s->partial = s->said > (long)(s->found.cases.len - s->extras);
}

static void jest_begin(void *state)
{
    struct jest *j = state;
    j->block = SINK_NONE;
}

static void jest_deinit(void *state)
{
    struct jest *j = state;
    forget_titles(j, 0);
    free(j->file);
}

const struct reader_format format_jest = {
    .name = "jest",
    .doc = "Jest's terminal, best with --verbose",
    .state_size = sizeof(struct jest),
    .begin = jest_begin,
    .line = jest_line,
    .end = jest_end,
    .deinit = jest_deinit,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "report/summary.h"

#include <string.h>

#include "report/text.h"

#define PROBLEMS_MAX 20
#define LOG_LINES    20
#define LOG_MAX      ((size_t)8 << 10)
#define MESSAGE_MAX  200
#define NAME_LIMIT   300
#define HUMAN_SIZE   24

#define RED    "31"
#define GREEN  "32"
#define YELLOW "33"
#define BOLD   "1"

struct summary {
    struct strbuf *out;
    const struct result *result;
    bool color;
};

enum shard_verdict {
    SHARD_PASSED,
    SHARD_FAILED,
    SHARD_ERROR,
    SHARD_NOT_RUN,
    SHARD_VERDICTS,
};

static const struct {
    const char *word;  /* of one shard */
    const char *count; /* "3 <count>" */
    const char *color;
} verdicts[SHARD_VERDICTS] = {
    [SHARD_PASSED] = {"passed", "passed", GREEN},
    [SHARD_FAILED] = {"failed", "failed", RED},
    [SHARD_ERROR] = {"error", "in error", RED},
    [SHARD_NOT_RUN] = {"not run", "not run", YELLOW},
};

static void paint(struct summary *s, const char *code, const char *text)
{
    if (s->color)
        strbuf_addf(s->out, "\x1b[%sm%s\x1b[0m", code, text);
    else
        strbuf_adds(s->out, text);
}

static const char *human(nsec_t duration, char *text)
{
    clock_human(duration > 0 ? duration : 0, text, HUMAN_SIZE);
    return text;
}

static bool is_bad(const struct result_case *c)
{
    return c->status == CASE_FAILED || c->status == CASE_ERROR;
}

static void count_tests(const struct result_suite *suite, struct result_counts *counts)
{
    for (size_t i = 0; i < suite->cases.len; i++) {
        const struct result_case *c = &suite->cases.items[i];
        if (result_case_is_phase(c))
            continue;
        counts->tests++;
        counts->failures += c->status == CASE_FAILED;
        counts->errors += c->status == CASE_ERROR;
        counts->skipped += c->status == CASE_SKIPPED;
    }
}

static enum shard_verdict judge(const struct result_suite *suite)
{
    enum shard_verdict verdict = SHARD_NOT_RUN;
    for (size_t i = 0; i < suite->cases.len; i++) {
        const struct result_case *c = &suite->cases.items[i];
        if (c->status == CASE_ERROR && result_case_is_phase(c))
            return SHARD_ERROR;
        if (is_bad(c))
            verdict = SHARD_FAILED;
        else if (c->status == CASE_PASSED && verdict == SHARD_NOT_RUN)
            verdict = SHARD_PASSED;
    }
    return verdict;
}

/* A test phase that failed because of tests that are shown themselves has nothing to add. */
static bool is_consequence(const struct result_suite *suite, const struct result_case *c)
{
    if (!result_case_is_phase(c) || c->status != CASE_FAILED)
        return false;
    struct result_counts counts = {0};
    count_tests(suite, &counts);
    return counts.failures + counts.errors > 0;
}

/* One line of a log, as a terminal would have left it: what a carriage return overwrote is gone. */
static void write_log_line(struct summary *s, const char *line, size_t len)
{
    while (len && line[len - 1] == '\r')
        len--;
    const char *overwritten = memrchr(line, '\r', len);
    size_t skip = overwritten ? (size_t)(overwritten - line) + 1 : 0;
    strbuf_adds(s->out, "    | ");
    text_clean(s->out, line + skip, len - skip, false);
    strbuf_addc(s->out, '\n');
}

static void write_log(struct summary *s, const char *text)
{
    struct capture c;
    capture_init(&c, 0, LOG_MAX);
    size_t len = strlen(text);
    while (len && strchr(" \t\r\n", text[len - 1]))
        len--;
    capture_add(&c, text, len);
    _cleanup_free_ char *last = capture_last_lines(&c, LOG_LINES, LOG_MAX);
    capture_deinit(&c);

    for (const char *p = last; *p;) {
        size_t line = strcspn(p, "\n");
        write_log_line(s, p, line);
        p += line + (p[line] == '\n');
    }
}

static void write_problem(struct summary *s, const struct result_suite *suite,
                          const struct result_case *c)
{
    char took[HUMAN_SIZE];
    _cleanup_free_ char *class_name = text_first_line(c->classname, NAME_LIMIT);
    _cleanup_free_ char *name = text_first_line(c->name, NAME_LIMIT);
    _cleanup_free_ char *message = text_first_line(c->message, MESSAGE_MAX);

    paint(s, RED ";" BOLD, c->status == CASE_FAILED ? "FAILED" : "ERROR ");
    strbuf_adds(s->out, " ");
    if (suite->shard > 0)
        strbuf_addf(s->out, "[%d] ", suite->shard);
    if (class_name && !result_case_is_phase(c))
        strbuf_addf(s->out, "%s ", class_name);
    paint(s, BOLD, name ? name : "unnamed");
    strbuf_addf(s->out, " (%s)\n", human(c->duration, took));
    if (message)
        strbuf_addf(s->out, "    %s\n", message);
    if (c->text && *c->text)
        write_log(s, c->text);
    else if (c->output && *c->output)
        write_log(s, c->output);
}

static void write_problems(struct summary *s)
{
    size_t problems = 0;
    for (size_t i = 0; i < s->result->suites.len; i++) {
        const struct result_suite *suite = &s->result->suites.items[i];
        if (suite->shard == 0)
            continue; /* the run's own error is one sentence, and the caller's last word */
        for (size_t k = 0; k < suite->cases.len; k++) {
            const struct result_case *c = &suite->cases.items[k];
            if (!is_bad(c) || is_consequence(suite, c))
                continue;
            if (problems++ < PROBLEMS_MAX)
                write_problem(s, suite, c);
        }
    }
    if (problems > PROBLEMS_MAX)
        strbuf_addf(s->out, "... and %zu more, all in the report\n", problems - PROBLEMS_MAX);
    if (problems)
        strbuf_addc(s->out, '\n');
}

/* "32 tests: 30 passed, 1 failed, 1 skipped" */
static void write_tests(struct summary *s, const struct result_counts *counts)
{
    size_t passed = counts->tests - counts->failures - counts->errors - counts->skipped;
    strbuf_addf(s->out, "%zu test%s: %zu passed", counts->tests, counts->tests == 1 ? "" : "s",
                passed);
    if (counts->failures)
        strbuf_addf(s->out, ", %zu failed", counts->failures);
    if (counts->errors)
        strbuf_addf(s->out, ", %zu error%s", counts->errors, counts->errors == 1 ? "" : "s");
    if (counts->skipped)
        strbuf_addf(s->out, ", %zu skipped", counts->skipped);
}

/* "(postgres 1.18s, deploy 0.40s, test 3.20s)" */
static void write_phases(struct summary *s, const struct result_suite *suite)
{
    static const char service[] = "service ";
    bool any = false;
    for (size_t i = 0; i < suite->cases.len; i++) {
        const struct result_case *c = &suite->cases.items[i];
        if (!result_case_is_phase(c) || c->status == CASE_SKIPPED)
            continue;
        char took[HUMAN_SIZE];
        bool is_service = strncmp(c->name, service, sizeof(service) - 1) == 0;
        strbuf_addf(s->out, "%s%s %s", any ? ", " : "  (",
                    c->name + (is_service ? sizeof(service) - 1 : 0), human(c->duration, took));
        any = true;
    }
    if (any)
        strbuf_addc(s->out, ')');
}

static void write_shard(struct summary *s, const struct result_suite *suite, int width)
{
    enum shard_verdict verdict = judge(suite);
    char took[HUMAN_SIZE];
    char word[16];
    (void)snprintf(word, sizeof(word), "%-7s", verdicts[verdict].word);
    int pad = width - snprintf(NULL, 0, "%d", suite->shard);
    strbuf_addf(s->out, "[%d] %*s", suite->shard, pad > 0 ? pad : 0, "");
    paint(s, verdicts[verdict].color, word);
    strbuf_addf(s->out, " %7s", human(suite->duration, took));

    struct result_counts counts = {0};
    count_tests(suite, &counts);
    if (counts.tests) {
        strbuf_adds(s->out, "  ");
        write_tests(s, &counts);
    }
    write_phases(s, suite);
    strbuf_addc(s->out, '\n');
}

/* "4 shards: 3 passed, 1 failed" */
static void write_shard_counts(struct summary *s, struct result_counts *tests)
{
    size_t shards = 0, counts[SHARD_VERDICTS] = {0};
    for (size_t i = 0; i < s->result->suites.len; i++) {
        const struct result_suite *suite = &s->result->suites.items[i];
        count_tests(suite, tests);
        if (suite->shard == 0)
            continue;
        shards++;
        counts[judge(suite)]++;
    }
    strbuf_addf(s->out, "%zu shard%s", shards, shards == 1 ? "" : "s");
    const char *before = ": ";
    for (size_t i = 0; i < SHARD_VERDICTS; i++) {
        if (counts[i] == 0)
            continue;
        strbuf_addf(s->out, "%s%zu %s", before, counts[i], verdicts[i].count);
        before = ", ";
    }
}

static void write_all(struct summary *s, const char *results_dir, int exit_code)
{
    char took[HUMAN_SIZE];
    struct result_counts tests = {0};
    if (s->color)
        strbuf_addf(s->out, "\x1b[%sm", exit_code == 0 ? GREEN ";" BOLD : RED ";" BOLD);
    write_shard_counts(s, &tests);
    strbuf_addf(s->out, " in %s; ", human(s->result->duration, took));
    if (tests.tests) {
        write_tests(s, &tests);
        strbuf_adds(s->out, "; ");
    }
    strbuf_addf(s->out, "report: %s/junit.xml", results_dir);
    if (exit_code > 1)
        strbuf_addf(s->out, "; exit code %d", exit_code);
    strbuf_adds(s->out, s->color ? "\x1b[0m\n" : "\n");
}

void summary_write(struct strbuf *out, const struct result *r, const char *results_dir,
                   int exit_code, bool color)
{
    struct summary s = {.out = out, .result = r, .color = color};
    int width = snprintf(NULL, 0, "%zu", r->suites.len);
    strbuf_addc(out, '\n');
    write_problems(&s);
    for (size_t i = 0; i < r->suites.len; i++)
        if (r->suites.items[i].shard > 0)
            write_shard(&s, &r->suites.items[i], width);
    write_all(&s, results_dir, exit_code);
}

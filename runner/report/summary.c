/* SPDX-License-Identifier: Apache-2.0 */
#include "report/summary.h"

#include <string.h>

#include "report/telling.h"
#include "report/text.h"

#define PROBLEMS_MAX 20
#define FLAKY_MAX    10
#define REMARKS_MAX  10
#define LOG_LINES    20
#define LOG_MAX      ((size_t)8 << 10)
#define REMARK_LIMIT 400

#define RED    "31"
#define GREEN  "32"
#define YELLOW "33"
#define BOLD   "1"

struct summary {
    struct strbuf *out;
    const struct result *result;
    bool color;
};

static const char *const colors[SHARD_VERDICTS] = {
    [SHARD_PASSED] = GREEN,
    [SHARD_FAILED] = RED,
    [SHARD_ERROR] = RED,
    [SHARD_NOT_RUN] = YELLOW,
};

static void paint(struct summary *s, const char *code, const char *text)
{
    if (s->color)
        strbuf_addf(s->out, "\x1b[%sm%s\x1b[0m", code, text);
    else
        strbuf_adds(s->out, text);
}

/* "FAILED [2] shop.CartTest test_total" */
static void write_case(struct summary *s, const struct result_suite *suite,
                       const struct result_case *c, const char *word, const char *color)
{
    _cleanup_free_ char *class_name = text_first_line(c->classname, TELLING_NAME_MAX);
    _cleanup_free_ char *name = text_first_line(c->name, TELLING_NAME_MAX);
    paint(s, color, word);
    strbuf_adds(s->out, " ");
    if (suite->shard > 0)
        strbuf_addf(s->out, "[%d] ", suite->shard);
    if (class_name && !result_case_is_phase(c))
        strbuf_addf(s->out, "%s ", class_name);
    paint(s, BOLD, name ? name : "unnamed");
}

static void write_log(struct summary *s, const struct result_case *c)
{
    _cleanup_free_ char *log = telling_log(c, LOG_LINES, LOG_MAX);
    for (const char *p = log; *p;) {
        int line = (int)strcspn(p, "\n");
        strbuf_addf(s->out, "    | %.*s\n", line, p);
        p += line + 1;
    }
}

static void write_problem(struct summary *s, const struct result_suite *suite,
                          const struct result_case *c)
{
    char took[TELLING_HUMAN];
    _cleanup_free_ char *place = telling_place(c);
    _cleanup_free_ char *message = text_first_line(c->message, TELLING_MESSAGE_MAX);

    write_case(s, suite, c, c->status == CASE_FAILED ? "FAILED" : "ERROR ", RED ";" BOLD);
    strbuf_addf(s->out, " (%s)\n", telling_human(c->duration, took));
    if (place || message)
        strbuf_addf(s->out, "    %s%s%s\n", place ? place : "", place && message ? ": " : "",
                    message ? message : "");
    write_log(s, c);
}

/* The run's own error is one sentence, and the caller's last word. */
static bool is_shown(const struct result_suite *suite, const struct result_case *c)
{
    return telling_is_problem(suite, c) && (suite->shard > 0 || c->status == CASE_FAILED);
}

static void write_problems(struct summary *s)
{
    size_t problems = 0;
    for (size_t i = 0; i < s->result->suites.len; i++) {
        const struct result_suite *suite = &s->result->suites.items[i];
        size_t before = problems;
        for (size_t k = 0; k < suite->cases.len; k++)
            if (is_shown(suite, &suite->cases.items[k]) && problems++ < PROBLEMS_MAX)
                write_problem(s, suite, &suite->cases.items[k]);
        if (problems > before && before < PROBLEMS_MAX && suite->replay)
            strbuf_addf(s->out, "    to run just this again: %s\n", suite->replay);
    }
    if (problems > PROBLEMS_MAX)
        strbuf_addf(s->out, "... and %zu more, all in the report\n", problems - PROBLEMS_MAX);
    if (problems)
        strbuf_addc(s->out, '\n');
}

static void write_flaky(struct summary *s)
{
    size_t flaky = 0;
    for (size_t i = 0; i < s->result->suites.len; i++) {
        const struct result_suite *suite = &s->result->suites.items[i];
        for (size_t k = 0; k < suite->cases.len; k++) {
            const struct result_case *c = &suite->cases.items[k];
            if (!result_case_is_flaky(c) || flaky++ >= FLAKY_MAX)
                continue;
            _cleanup_free_ char *words = telling_flaky(c);
            write_case(s, suite, c, "FLAKY ", YELLOW ";" BOLD);
            strbuf_addf(s->out, ": %s\n", words);
        }
    }
    if (flaky > FLAKY_MAX)
        strbuf_addf(s->out, "... and %zu more flaky ones, all in the report\n", flaky - FLAKY_MAX);
    if (flaky)
        strbuf_addc(s->out, '\n');
}

static void write_proof(struct summary *s)
{
    _cleanup_free_ char *proof = telling_proof(s->result);
    if (proof)
        strbuf_addf(s->out, "%s\n", proof);
    for (size_t i = 0; i < s->result->remarks.len && i < REMARKS_MAX; i++) {
        _cleanup_free_ char *remark = text_first_line(s->result->remarks.items[i], REMARK_LIMIT);
        strbuf_addf(s->out, "%s\n", remark ? remark : "");
    }
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
        char took[TELLING_HUMAN];
        bool is_service = strncmp(c->name, service, sizeof(service) - 1) == 0;
        strbuf_addf(s->out, "%s%s %s", any ? ", " : "  (",
                    c->name + (is_service ? sizeof(service) - 1 : 0),
                    telling_human(c->duration, took));
        any = true;
    }
    if (any)
        strbuf_addc(s->out, ')');
}

static void write_shard(struct summary *s, const struct result_suite *suite, int width)
{
    enum shard_verdict verdict = telling_judge(suite);
    char took[TELLING_HUMAN];
    char word[16];
    (void)snprintf(word, sizeof(word), "%-7s", telling_verdict(verdict));
    int pad = width - snprintf(NULL, 0, "%d", suite->shard);
    strbuf_addf(s->out, "[%d] %*s", suite->shard, pad > 0 ? pad : 0, "");
    paint(s, colors[verdict], word);
    strbuf_addf(s->out, " %7s", telling_human(suite->duration, took));

    struct test_counts counts = {0};
    telling_count(suite, &counts);
    if (counts.tests) {
        strbuf_adds(s->out, "  ");
        telling_tests(s->out, &counts);
    }
    write_phases(s, suite);
    strbuf_addc(s->out, '\n');
}

static void write_all(struct summary *s, const char *results_dir, int exit_code)
{
    char took[TELLING_HUMAN];
    struct test_counts tests = {0};
    if (s->color)
        strbuf_addf(s->out, "\x1b[%sm", exit_code == 0 ? GREEN ";" BOLD : RED ";" BOLD);
    telling_shards(s->out, s->result, &tests);
    strbuf_addf(s->out, " in %s; ", telling_human(s->result->duration, took));
    if (tests.tests) {
        telling_tests(s->out, &tests);
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
    write_flaky(&s);
    for (size_t i = 0; i < r->suites.len; i++)
        if (r->suites.items[i].shard > 0)
            write_shard(&s, &r->suites.items[i], width);
    write_proof(&s);
    write_all(&s, results_dir, exit_code);
}

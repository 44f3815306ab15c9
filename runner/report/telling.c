/* SPDX-License-Identifier: Apache-2.0 */
#include "report/telling.h"

#include <string.h>

#include "report/text.h"

static const struct {
    const char *word;  /* of one shard */
    const char *count; /* "3 <count>" */
} verdicts[SHARD_VERDICTS] = {
    [SHARD_PASSED] = {"passed", "passed"},
    [SHARD_FAILED] = {"failed", "failed"},
    [SHARD_ERROR] = {"error", "in error"},
    [SHARD_NOT_RUN] = {"not run", "not run"},
};

const char *telling_verdict(enum shard_verdict verdict)
{
    return verdicts[verdict].word;
}

const char *telling_human(nsec_t duration, char text[TELLING_HUMAN])
{
    clock_human(duration > 0 ? duration : 0, text, TELLING_HUMAN);
    return text;
}

static bool is_bad(const struct result_case *c)
{
    return c->status == CASE_FAILED || c->status == CASE_ERROR;
}

void telling_count(const struct result_suite *suite, struct test_counts *counts)
{
    for (size_t i = 0; i < suite->cases.len; i++) {
        const struct result_case *c = &suite->cases.items[i];
        if (result_case_is_phase(c))
            continue;
        counts->tests++;
        counts->passed += c->status == CASE_PASSED;
        counts->failures += c->status == CASE_FAILED;
        counts->errors += c->status == CASE_ERROR;
        counts->skipped += c->status == CASE_SKIPPED;
        counts->flaky += result_case_is_flaky(c);
    }
}

void telling_tests(struct strbuf *out, const struct test_counts *counts)
{
    strbuf_addf(out, "%zu test%s: %zu passed", counts->tests, counts->tests == 1 ? "" : "s",
                counts->passed);
    if (counts->flaky)
        strbuf_addf(out, " (%zu flaky)", counts->flaky);
    if (counts->failures)
        strbuf_addf(out, ", %zu failed", counts->failures);
    if (counts->errors)
        strbuf_addf(out, ", %zu error%s", counts->errors, counts->errors == 1 ? "" : "s");
    if (counts->skipped)
        strbuf_addf(out, ", %zu skipped", counts->skipped);
}

enum shard_verdict telling_judge(const struct result_suite *suite)
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

void telling_shards(struct strbuf *out, const struct result *r, struct test_counts *tests)
{
    size_t shards = 0, counts[SHARD_VERDICTS] = {0};
    for (size_t i = 0; i < r->suites.len; i++) {
        const struct result_suite *suite = &r->suites.items[i];
        telling_count(suite, tests);
        if (suite->shard == 0)
            continue;
        shards++;
        counts[telling_judge(suite)]++;
    }
    strbuf_addf(out, "%zu shard%s", shards, shards == 1 ? "" : "s");
    const char *before = ": ";
    for (size_t i = 0; i < SHARD_VERDICTS; i++) {
        if (counts[i] == 0)
            continue;
        strbuf_addf(out, "%s%zu %s", before, counts[i], verdicts[i].count);
        before = ", ";
    }
}

/* A test phase that failed because of tests that are told themselves has nothing to add. */
bool telling_is_problem(const struct result_suite *suite, const struct result_case *c)
{
    if (!is_bad(c))
        return false;
    if (!result_case_is_phase(c) || c->status == CASE_ERROR)
        return true;
    struct test_counts counts = {0};
    telling_count(suite, &counts);
    return counts.failures + counts.errors == 0;
}

char *telling_title(const struct result_case *c)
{
    _cleanup_free_ char *class_name = text_first_line(c->classname, TELLING_NAME_MAX);
    _cleanup_free_ char *name = text_first_line(c->name, TELLING_NAME_MAX);
    const char *shown = name ? name : "unnamed";
    if (class_name && !result_case_is_phase(c))
        return xasprintf("%s %s", class_name, shown);
    return xstrdup(shown);
}

char *telling_place(const struct result_case *c)
{
    char *file = text_first_line(c->file, TELLING_NAME_MAX);
    if (!file || c->line <= 0)
        return file;
    char *place = xasprintf("%s:%ld", file, c->line);
    free(file);
    return place;
}

/* One line of a log, as a terminal would have left it: what a carriage return overwrote is gone. */
static void add_log_line(struct strbuf *out, const char *line, size_t len)
{
    while (len && line[len - 1] == '\r')
        len--;
    const char *overwritten = memrchr(line, '\r', len);
    size_t skip = overwritten ? (size_t)(overwritten - line) + 1 : 0;
    text_clean(out, line + skip, len - skip, false);
    strbuf_addc(out, '\n');
}

char *telling_log(const struct result_case *c, size_t lines, size_t max)
{
    const char *text = c->text && *c->text ? c->text : c->output ? c->output : "";
    size_t len = strlen(text);
    while (len && strchr(" \t\r\n", text[len - 1]))
        len--;
    struct capture end;
    capture_init(&end, 0, max);
    capture_add(&end, text, len);
    _cleanup_free_ char *last = capture_last_lines(&end, lines, max);
    capture_deinit(&end);

    struct strbuf log = STRBUF_INIT;
    for (const char *p = last; *p;) {
        size_t line = strcspn(p, "\n");
        add_log_line(&log, p, line);
        p += line + (p[line] == '\n');
    }
    return strbuf_detach(&log);
}

char *telling_flaky(const struct result_case *c)
{
    size_t failed = c->reruns.len;
    const char *world = c->fresh ? "a fresh world" : "the same world";
    if (failed <= 2)
        return xasprintf("failed %s, passed in %s", failed == 1 ? "once" : "twice", world);
    return xasprintf("failed %zu times, passed in %s", failed, world);
}

/* ", 3 ran in more than one shard" */
static void add_count(struct strbuf *out, size_t count, const char *words)
{
    if (count)
        strbuf_addf(out, ", %zu %s", count, words);
}

char *telling_proof(const struct result *r)
{
    const struct result_tally *t = &r->tally;
    struct strbuf out = STRBUF_INIT;
    if (!t->known || (!t->was_planned && r->suites.len < 2))
        return NULL;
    if (t->was_planned)
        strbuf_addf(&out, "%zu test%s planned, %zu ran", t->planned, t->planned == 1 ? "" : "s",
                    t->ran);
    else
        strbuf_addf(&out, "%zu test%s ran", t->ran, t->ran == 1 ? "" : "s");
    if (t->doubled == 0 && t->ran)
        strbuf_adds(&out, t->was_planned ? ", each exactly once" : ", none in more than one shard");
    add_count(&out, t->skipped, "skipped");
    add_count(&out, t->doubled, "ran in more than one shard");
    add_count(&out, t->was_planned ? t->never : 0, "never ran");
    if (!t->complete)
        strbuf_adds(&out, "; not every shard came to its end");
    return strbuf_detach(&out);
}

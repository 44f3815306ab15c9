/* SPDX-License-Identifier: Apache-2.0 */
#include "run/round_results.h"

#include <string.h>

static void free_readers(struct shard_rounds *r)
{
    for (size_t i = 0; i < ARRAY_SIZE(r->readers); i++)
        reader_free(TAKE_PTR(r->readers[i]));
}

void round_results_begin(struct shard *s)
{
    const char *named = s->ctx->settings->own.reader;
    free_readers(&s->rounds);
    bool automatic = !named || strcmp(named, "auto") == 0;
    if (named && strcmp(named, "none") == 0)
        return;
    for (int i = OUTPUT_STDOUT; i <= OUTPUT_STDERR; i++)
        s->rounds.readers[i] = reader_new(automatic ? NULL : named);
}

void round_results_deinit(struct shard_rounds *r)
{
    free_readers(r);
    result_suite_deinit(&r->found);
}

static void move_cases(struct result_suite *to, struct result_suite *from)
{
    for (size_t i = 0; i < from->cases.len; i++)
        *vec_push(&to->cases) = from->cases.items[i];
    from->cases.len = 0;
}

static void take_said(struct shard_rounds *r, const struct reader_report *report)
{
    if (report->said < 0 || report->partial || r->kind != ROUND_PART)
        return;
    r->said = (r->said < 0 ? 0 : r->said) + report->said;
    r->extras += report->extras;
}

static void note_format(const struct shard *s, struct result_suite *round,
                        const struct reader_report *report)
{
    strvec_pushf(&round->properties, "results.from=%s", report->format->name);
    if (!report->problem)
        return;
    _cleanup_free_ char *classname = xasprintf(RESULT_PHASE_CLASS, s->number);
    struct result_case *c = result_add_case(round, classname, "output", CASE_ERROR, 0);
    replace_str(&c->message, report->problem);
    replace_str(&c->type, "OutputError");
}

/* A file that a runner wrote knows more than what it printed; of the latter, the stream that is
   recognised. */
static void read_output(struct shard *s, struct result_suite *round)
{
    struct shard_rounds *r = &s->rounds;
    bool wanted = round->cases.len == 0;
    for (int i = OUTPUT_STDOUT; i <= OUTPUT_STDERR; i++) {
        struct result_suite printed = {0};
        struct reader_report report = {.said = -1};
        if (!r->readers[i])
            continue;
        reader_finish(r->readers[i], &printed, &report);
        if (wanted && report.format) {
            take_said(r, &report);
            move_cases(round, &printed);
            note_format(s, round, &report);
            wanted = false;
            r->reported = true;
        }
        result_suite_deinit(&printed);
        reader_report_deinit(&report);
    }
    free_readers(r);
}

static nsec_t duration_of(const struct result_suite *suite)
{
    nsec_t sum = 0;
    for (size_t i = 0; i < suite->cases.len; i++)
        sum += suite->cases.items[i].duration;
    return sum;
}

static void add_round(struct shard *s, struct result_suite *round)
{
    struct shard_rounds *r = &s->rounds;
    size_t bad = result_suite_bad(round);
    bool failed = r->ended ? r->exit_failed : !s->abandoned;
    switch (r->kind) {
    case ROUND_PART:
        division_spent(s->ctx->division, s->number, duration_of(round));
        move_cases(&r->found, round);
        r->unexplained = r->unexplained || (failed && bad == 0);
        break;
    case ROUND_REPEAT:
        (void)result_merge_repeat(&r->found, round);
        r->unexplained = r->unexplained || (failed && bad == 0);
        break;
    case ROUND_RETRY:
        (void)result_merge_reruns(&r->found, round, s->worlds > 0);
        if (r->unexplained && !failed)
            replace_str(&r->recovered, s->test.verdict);
        r->unexplained = r->unexplained && failed;
        break;
    }
    if (r->kind == ROUND_RETRY && !failed && result_suite_bad(&r->found) == 0)
        s->test.exit_code = 0;
}

void round_results_take(struct shard *s)
{
    struct shard_rounds *r = &s->rounds;
    struct result_suite round = {0};
    bool acknowledged = false;
    if (s->collect)
        (void)collect_finish(s->collect, &round, &acknowledged, &s->collect_error);
    s->acknowledged |= acknowledged;
    if (s->reports)
        (void)collect_finish(s->reports, &round, &acknowledged, &s->collect_error);
    r->reported |= collect_reported(s->collect) || collect_reported(s->reports);
    collect_free(TAKE_PTR(s->collect));
    collect_free(TAKE_PTR(s->reports));
    if (r->untaken) {
        read_output(s, &round);
        add_round(s, &round);
    }
    r->untaken = false;
    for (size_t i = 0; i < round.properties.len; i++)
        if (!strvec_contains(&r->found.properties, round.properties.items[i]))
            strvec_push(&r->found.properties, round.properties.items[i]);
    result_suite_deinit(&round);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "run/verdict.h"

#include <fcntl.h>
#include <libgen.h>
#include <string.h>

#include <cleanroom/log.h>

#include "split/merge.h"
#include "split/proof.h"

/* Every shard has ended by itself, so that what is missing is missing. */
static bool is_complete(const struct run *r)
{
    if (error_is_set(&r->error) || r->signal || bake_failed(&r->deploy))
        return false;
    for (size_t i = 0; i < r->shard_count; i++) {
        const struct shard *s = &r->shards[i];
        bool deployed = r->plan.deploy != DEPLOY_EACH || s->deploy.exit_code == 0;
        if (error_is_set(&s->error) || s->abandoned || !deployed || s->rounds.step == ROUND_LISTING)
            return false;
    }
    return r->division.state != DIVISION_ENDED;
}

static bool has_cases(const struct result_suite *suite)
{
    for (size_t i = 0; i < suite->cases.len; i++)
        if (!result_case_is_phase(&suite->cases.items[i]))
            return true;
    return false;
}

/* Whether anything told of tests by name, or that there were none. */
static bool was_reported(const struct run *r)
{
    for (size_t i = 0; i < r->result.suites.len; i++)
        if (has_cases(&r->result.suites.items[i]))
            return true;
    for (size_t i = 0; i < r->shard_count; i++)
        if (r->shards[i].rounds.reported)
            return true;
    return false;
}

static bool was_acknowledged(const struct run *r)
{
    for (size_t i = 0; i < r->shard_count; i++)
        if (r->shards[i].acknowledged)
            return true;
    return false;
}

static long *said_of(const struct run *r)
{
    long *said = xcalloc(r->result.suites.len, sizeof(*said));
    for (size_t i = 0; i < r->result.suites.len; i++)
        said[i] = -1;
    for (size_t i = 0; i < r->shard_count && i < r->result.suites.len; i++) {
        const struct shard_rounds *rounds = &r->shards[i].rounds;
        if (rounds->said >= 0)
            said[i] = rounds->said + (long)rounds->extras;
    }
    return said;
}

static void take(struct run *r, const struct proof *proof, bool planned)
{
    struct result_tally *tally = &r->result.tally;
    *tally = (struct result_tally){.known = was_reported(r),
                                   .was_planned = planned,
                                   .complete = is_complete(r),
                                   .planned = proof->planned,
                                   .ran = proof->ran,
                                   .skipped = proof->skipped,
                                   .doubled = proof->doubled,
                                   .never = proof->never};
    if (tally->complete)
        strvec_append(&r->result.remarks, &proof->remarks);
}

static bool has_failed(const struct run *r)
{
    for (size_t i = 0; i < r->shard_count; i++)
        if (r->shards[i].failed)
            return true;
    return false;
}

/* Nothing is known by name, and nobody said that he had seen his shard's variables. */
static void remark_on_trust(struct run *r)
{
    if (r->shard_count > 1 && !has_failed(r) && r->division.method.split == SPLIT_ENV &&
        !was_reported(r) && !was_acknowledged(r))
        strvec_push(&r->result.remarks,
                    "nobody knows which tests ran: there is no report, and no runner touched "
                    "TEST_SHARD_STATUS_FILE; name the 'runner', or let the tests write JUnit to "
                    "XML_OUTPUT_FILE");
}

/* Whoever names a reader says that the tests are in the output; a shard that failed has its own
   reason why they are not. */
static void judge_reader(const struct run *r, struct strvec *errors)
{
    const char *named = r->ctx.settings->own.reader;
    bool by_name = named && strcmp(named, "auto") != 0 && strcmp(named, "none") != 0;
    if (by_name && !was_reported(r) && !has_failed(r))
        strvec_pushf(errors,
                     "the reader '%s' found no test in what 'test' printed, and there is no other "
                     "report: leave 'reader' out to have the format recognised",
                     named);
}

/* Returns how the reports name tests. */
static enum naming prove(struct run *r, struct strvec *errors)
{
    struct test_list mine = TEST_LIST_INIT;
    bool planned = division_planned(&r->division, &mine);
    _cleanup_free_ long *said = said_of(r);
    const int64_t expect = r->ctx.settings->own.expect;
    const struct proof_question question = {
        .result = &r->result,
        .planned = planned ? &mine : NULL,
        .files = r->division.method.by_files,
        .preset = r->division.method.preset,
        .expect = expect && r->shard_count == r->plan.shards.len ? (long)expect : PROOF_EXPECT_NONE,
        .reported = was_reported(r),
        .said = said};
    _cleanup_proof_ struct proof proof;
    proof_make(&proof, &question);
    take(r, &proof, planned);
    if (is_complete(r))
        strvec_append(errors, &proof.errors);
    enum naming naming = proof_naming(&question);
    vec_deinit(&mine.tests);
    return naming;
}

/* --- durations -------------------------------------------------------------------------------- */

static void remember(struct run *r, enum naming naming)
{
    struct division *d = &r->division;
    const char *path = r->ctx.settings->own.timings;
    _cleanup_error_ struct error err = ERROR_INIT;
    if (!d->remembers || !was_reported(r))
        return;
    bool whole = is_complete(r) && r->plan.slice.total == 1 && !r->ctx.settings->only_shard &&
                 r->ctx.settings->test_args.len == 0;
    timings_learn(&d->timings, &r->result, naming, whole);
    _cleanup_free_ char *copy = xstrdup(path), *copy2 = xstrdup(path);
    _cleanup_close_ int dir = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        log_warning("the directory of '%s' is not there: durations are not kept", path);
    else if (timings_write(&d->timings, dir, basename(copy2), &err) < 0)
        log_warning("%s", err.message);
}

/* --- flaky tests ------------------------------------------------------------------------------ */

static void judge_flaky(struct run *r, struct strvec *errors)
{
    size_t flaky = 0;
    for (size_t i = 0; i < r->result.suites.len; i++)
        for (size_t k = 0; k < r->result.suites.items[i].cases.len; k++)
            flaky += result_case_is_flaky(&r->result.suites.items[i].cases.items[k]);
    if (flaky && r->ctx.settings->own.fail_on_flaky)
        strvec_pushf(errors, "%zu test%s flaky, and --fail-on-flaky makes that a failure", flaky,
                     flaky == 1 ? " is" : "s are");
}

void verdict_make(struct run *r, struct strvec *errors)
{
    if (r->plans || r->ctx.shell || r->ctx.settings->serve || !r->shard_count)
        return;
    enum naming naming = prove(r, errors);
    judge_flaky(r, errors);
    if (is_complete(r)) {
        judge_reader(r, errors);
        remark_on_trust(r);
    }
    if (r->division.seed)
        strvec_pushf(&r->result.properties, "cleanroom.seed=%llu",
                     (unsigned long long)r->division.seed);
    if (r->division.plan_id)
        strvec_pushf(&r->result.properties, PLANFILE_PROPERTY "=%s", r->division.plan_id);
    if (r->plan.slice.total > 1)
        strvec_pushf(&r->result.properties, MERGE_SLICE_PROPERTY "=%d/%d", r->plan.slice.index + 1,
                     r->plan.slice.total);
    remember(r, naming);
}

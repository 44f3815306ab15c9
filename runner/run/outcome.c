/* SPDX-License-Identifier: Apache-2.0 */
#include "run/outcome.h"

#include <cleanroom/junit.h>
#include <cleanroom/log.h>

#include "run/planning.h"
#include "run/tell.h"
#include "run/verdict.h"

#define REPORT_PAUSE NSEC_PER_SEC

bool run_was_serving(const struct run *r)
{
    return r->ctx.settings->serve && r->shard_count && r->shards[0].test.begun;
}

bool run_is_clean(const struct run *r)
{
    if (r->state == RUN_KEPT)
        return true; /* what is there is meant to be */
    return r->state == RUN_DONE && r->sweep.left.len == 0 && !error_is_set(&r->sweep.error);
}

int shard_code(const struct shard *s)
{
    return error_is_set(&s->error) ? error_exit_code(s->error.kind) : s->failed;
}

/* The most serious thing that happened, by the README's table: what broke outranks what failed. */
static int outcome_code(const struct run *r)
{
    int code = 0;
    if (r->signal == SIGINT && run_was_serving(r))
        return run_is_clean(r) ? 0 : 4;
    if (r->signal)
        return 128 + r->signal;
    if (error_is_set(&r->error))
        return error_exit_code(r->error.kind);
    if (bake_failed(&r->deploy))
        return 1;
    for (size_t i = 0; i < r->shard_count; i++) {
        int mine = shard_code(&r->shards[i]);
        static const int rank[] = {3, 124, 2, 1, 0};
        for (size_t k = 0; k < ARRAY_SIZE(rank); k++) {
            if (rank[k] == mine || rank[k] == code) {
                code = rank[k];
                break;
            }
        }
    }
    if (code == 1 && run_was_serving(r) && r->shards[0].test.container.stage >= CONTAINER_EXITED)
        code = r->shards[0].test.container.exit_code;
    if (code == 0 && r->ctx.shell)
        code = r->ctx.shell->exit_code;
    return code == 0 && !run_is_clean(r) ? 4 : code;
}

/* One sentence for the run: the first shard's, and how many others say the like. */
static void outcome_error(struct run *r, struct error *err)
{
    if (error_is_set(&r->error)) {
        error_move(err, &r->error);
        return;
    }

    size_t others = 0;
    for (size_t i = 0; i < r->shard_count && !bake_failed(&r->deploy); i++) {
        const struct shard *s = &r->shards[i];
        if (!error_is_set(&s->error))
            continue;
        if (error_is_set(err)) {
            others++;
            continue;
        }
        error_copy(err, &s->error);
        error_wrap(err, "shard %d", s->number);
    }
    if (others)
        error_detail(err, "and %zu more shard%s failed to run; see the report\n", others,
                     others == 1 ? "" : "s");
}

static void add_run_case(struct run *r, const char *name, enum case_status status,
                         const char *message, const char *type)
{
    size_t last = r->result.suites.len - 1;
    struct result_suite *suite = &r->result.suites.items[last];
    if (suite->shard != 0) {
        suite = result_add_suite(&r->result, 0, (int)r->shard_count);
        suite->started_wall = r->result.started_wall;
        suite->duration = clock_now() - r->started_at;
    }
    struct result_case *c = result_add_case(suite, "cleanroom", name, status, suite->duration);
    replace_str(&c->message, message);
    replace_str(&c->type, type);
}

/* What is no shard's fault has a suite of its own, so that the report shows why. */
static void report_run(struct run *r)
{
    if (error_is_set(&r->error))
        add_run_case(r, "run", CASE_ERROR, r->error.message, "RunError");
    if (run_is_clean(r))
        return;

    char limit[16];
    clock_human(r->ctx.settings->own.teardown_timeout, limit, sizeof(limit));
    for (size_t i = 0; i < r->sweep.left.len; i++)
        console_say(r->ctx.console, 0,
                    "left behind after %s (--teardown-timeout TIME gives it longer): %s", limit,
                    r->sweep.left.items[i]);
    if (error_is_set(&r->sweep.error))
        console_say(r->ctx.console, 0, "nobody knows what is left: %s", r->sweep.error.message);
    if (r->state != RUN_DONE)
        return; /* the janitor goes on */
    console_say(r->ctx.console, 0, "to remove it: cleanroom recycle %s", r->plan.run_id);
    add_run_case(r, "teardown", CASE_ERROR, "something could not be removed; see the job's output",
                 "Leftovers");
}

/* --- reports --------------------------------------------------------------------------------- */

int run_write_reports(struct run *r, int exit_code, struct error *err)
{
    r->result.duration = clock_now() - r->started_at;
    if (r->ctx.shell || r->plans)
        return 0; /* there is nothing to report on */
    if (junit_write(&r->result, r->ctx.settings->own.junit_dialect, r->ctx.results_dir, "junit.xml",
                    err) < 0)
        return -1;
    return journal_write(r->ctx.journal, r->result.finished, exit_code, err);
}

static void write_interim_report(void *data)
{
    struct run *r = data;
    _cleanup_error_ struct error err = ERROR_INIT;
    r->result.duration = clock_now() - r->started_at;
    if (junit_write(&r->result, r->ctx.settings->own.junit_dialect, r->ctx.results_dir, "junit.xml",
                    &err) < 0)
        log_warning("%s", err.message);
}

void run_write_report_soon(struct run *r)
{
    if (r->report_timer.at == 0)
        loop_timer_arm(r->ctx.loop, &r->report_timer, clock_now() + REPORT_PAUSE,
                       write_interim_report, r);
}

int run_conclude(struct run *r, struct error *err)
{
    report_run(r);
    result_settle(&r->result);
    _cleanup_strvec_ struct strvec doubts = STRVEC_INIT;
    verdict_make(r, &doubts);
    int code = outcome_code(r);
    if (code == 0 && doubts.len)
        code = 1;
    for (size_t i = 0; i < doubts.len; i++)
        add_run_case(r, "proof", CASE_FAILED, doubts.items[i], "ProofError");
    r->result.finished = true;
    r->result.duration = clock_now() - r->started_at;

    if (code || !run_was_serving(r))
        outcome_error(r, err);
    if (doubts.len && !error_is_set(err))
        error_set(err, ERROR_SERVICE, "%s", doubts.items[0]);
    if (error_is_set(err))
        journal_fact(r->ctx.journal, "error", err->message);
    tell_journal(r);
    _cleanup_error_ struct error unwritten = ERROR_INIT;
    if (run_write_reports(r, code, &unwritten) < 0 && !error_is_set(err)) {
        code = code ? code : error_exit_code(unwritten.kind);
        error_move(err, &unwritten);
    }
    if (r->plans && code == 0 && planning_write(r, err) < 0)
        code = error_exit_code(err->kind);
    if (!r->ctx.shell && !(r->plans && code == 0))
        tell(r, code);
    return code;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "run/run.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cleanroom/log.h>

#include "config/program.h"
#include "engine/direct/direct.h"
#include "report/directory.h"
#include "report/text.h"
#include "run/dwelling.h"
#include "run/kept.h"
#include "run/life.h"
#include "run/listen.h"
#include "run/outcome.h"
#include "run/owner.h"
#include "run/planning.h"
#include "run/reach.h"
#include "run/replay.h"

/* A pod needs some ten descriptors. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void add_suites(struct run *r)
{
    for (int i = 0; i < r->plan.shard_count; i++)
        (void)result_add_suite(&r->result, r->plan.first_shard + i + 1, (int)r->plan.shards.len);
}

/* Docker miscounts a network's endpoints when containers enter it at the same time on a busy
   machine, and then never removes it: "has active endpoints" (moby issue 42119; seen once in three
   runs of 64 shards). One after another they cost no time: each keeps a CPU busy anyhow. */
#define HOLDERS_AT_ONCE 1

/* Measured (make bench): a start keeps a CPU busy, so more at once gain nothing and delay the first
   shards' tests. */
static int starts_at_once(const struct run *r)
{
    int64_t asked = r->ctx.settings->own.start_limit;
    if (asked)
        return (int)asked;
    return r->ctx.engine->cpus > 2 ? 2 * r->ctx.engine->cpus : 4;
}

/* "4 shards", "shards 5 to 8 of 12" */
static char *shards_of(const struct run *r)
{
    const struct plan *plan = &r->plan;
    if (r->plans)
        return xstrdup("a plan");
    if (r->ctx.shell || plan->slice.total == 1)
        return xasprintf("%zu shard%s", r->shard_count, r->shard_count == 1 ? "" : "s");
    return xasprintf("shards %d to %d of %zu", plan->first_shard + 1,
                     plan->first_shard + plan->shard_count, plan->shards.len);
}

static void say_hello(struct run *r)
{
    const struct engine *e = r->ctx.engine;
    _cleanup_free_ char *shards = shards_of(r);
    console_say(r->ctx.console, 0, "run %s: %s of %s on %s %s%s%s", r->plan.run_id, shards,
                r->ctx.settings->image.value, e->kind, e->version, e->why ? ": " : "",
                e->why ? e->why : "");
    if (r->division.seed)
        console_say(r->ctx.console, 0, "random order: --order random --seed %llu repeats it",
                    (unsigned long long)r->division.seed);
    _cleanup_free_ char *engine = xasprintf("%s %s at %s", e->kind, e->version, e->where);
    journal_fact(r->ctx.journal, "engine", engine);
    if (!r->ctx.shell && !r->plans)
        replay_note_run(r);
    if (e->why)
        journal_fact(r->ctx.journal, "engine_why", e->why);
}

/* Something that is kept: a run that only uses what is there need not look whether it is too much.
 */
static bool has_made(const struct run *r)
{
    bool made = r->deploy.deploy && r->deploy.deploy->made;
    for (size_t i = 0; i < r->plan.seed.services.len; i++)
        made = made || r->ctx.snapshots[i].state == SNAPSHOT_MADE;
    return made && r->signal == 0;
}

static bool has_world(const struct run *r)
{
    return strcmp(r->ctx.engine->kind, "embedded") == 0;
}

/* With an engine: everything until nothing is left. */
static int run_on_engine(struct run *r, struct error *err)
{
    gate_init(&r->starts, r->ctx.loop, starts_at_once(r));
    gate_init(&r->holders, r->ctx.loop, HOLDERS_AT_ONCE);
    gate_init(&r->pods, r->ctx.loop, starts_at_once(r));
    r->ctx.snapshots = snapshots_new(&r->ctx);
    run_init_shards(r);
    say_hello(r);
    run_begin(r);
    run_listen(r);
    _cleanup_error_ struct error broken = ERROR_INIT;
    if (loop_run(r->ctx.loop, &r->stop, &broken) < 0 && !error_is_set(&r->error))
        error_move(&r->error, &broken);
    run_unlisten(r);
    if (run_is_clean(r) && has_world(r))
        r->ledger.doubt = false; /* nothing comes into a world that is gone */
    if (run_is_clean(r) && !r->ledger.doubt)
        ledger_dismiss(&r->ledger); /* it goes while we write reports */
    int code = r->concluded ? 0 : run_conclude(r, err);
    if (run_is_clean(r) && has_made(r))
        kept_trim(r->ctx.engine, r->ctx.settings->own.teardown_timeout, r->signal_fd);
    return code;
}

/* After a second signal much may still be under way: the engine drops it without a word. */
static void release_engine(struct run *r)
{
    visits_free(r->visits);
    engine_free(r->ctx.engine);
    loop_timer_disarm(r->ctx.loop, &r->events_timer);
    loop_timer_disarm(r->ctx.loop, &r->report_timer);
    loop_timer_disarm(r->ctx.loop, &r->renewal);
    for (size_t i = 0; i < r->shard_count; i++)
        shard_deinit(&r->shards[i]);
    commons_deinit(&r->commons);
    bake_deinit(&r->bake);
    bake_deinit(&r->deploy);
    gate_deinit(&r->starts);
    gate_deinit(&r->holders);
    gate_deinit(&r->pods);
    prepare_deinit(&r->prepare);
    sweep_deinit(&r->sweep);
    snapshots_free(r->ctx.snapshots, r->plan.seed.services.len);
    free(r->shards);
}

static int run_with_janitor(struct run *r, struct error *err)
{
    const struct settings *settings = r->ctx.settings;
    struct engine_options options = settings_engine(settings);
    _cleanup_strvec_ struct strvec images = STRVEC_INIT;
    for (size_t i = 0; i < r->plan.images.len; i++)
        strvec_push(&images, r->plan.images.items[i].ref);
    options.images = &images;
    r->ctx.engine = engine_open(r->ctx.loop, &options, err);
    if (r->ctx.engine && context_publishes(&r->ctx) && reach_refuse(r->ctx.engine, err) < 0)
        engine_free(TAKE_PTR(r->ctx.engine));
    if (!r->ctx.engine) {
        error_copy(&r->error, err);
        error_clear(err);
        run_set_state(r, RUN_DONE); /* nothing was made */
        return run_conclude(r, err);
    }

    _cleanup_free_ char *home = has_world(r) ? NULL : dwelling_find(r->ctx.engine);
    _cleanup_free_ char *owner = owner_of(r->janitor.pid, home);
    r->ctx.owner = owner;
    if (r->plan.program) {
        _cleanup_free_ char *scratch = program_scratch(r->plan.run_id, -1);
        r->ctx.engine = direct_open(r->ctx.engine, scratch);
    }
    ledger_tell_engine(&r->ledger, r->ctx.engine->kind, r->ctx.engine->where);
    if (has_world(r))
        ledger_enter(&r->ledger, OBJECT_WORLD, r->plan.run_id); /* it comes with the first object */
    int code = run_on_engine(r, err);
    release_engine(r);
    return code;
}

static void remove_passing(const struct run *r)
{
    if (r->passing && directory_remove(AT_FDCWD, r->passing) < 0)
        log_warning("'%s' could not be removed: %s", r->passing, strerror(errno));
}

static int run_with_results(struct run *r, FILE *out, struct error *err)
{
    const struct settings *settings = r->ctx.settings;
    struct console_options options = {.out = out,
                                      .shards = (int)r->plan.shards.len,
                                      .color = settings_want_color(settings, fileno(out)),
                                      .quiet = settings->own.quiet};
    if (run_write_reports(r, -1, err) < 0 ||
        janitor_start(&r->janitor, r->plan.run_id, settings, r->ctx.results_dir, err) < 0)
        return error_exit_code(err->kind);
    ledger_init(&r->ledger, r->janitor.socket);

    r->ctx.console = console_new(&options);
    r->ctx.loop = loop_new(err);
    int code = r->ctx.loop ? run_with_janitor(r, err) : error_exit_code(err->kind);
    if (!r->ctx.engine)
        ledger_dismiss(&r->ledger);
    /* In doubt it looks for what may still appear; that is worth a moment. */
    bool ends_soon = r->ledger.socket < 0 || (r->state == RUN_DONE && r->ledger.doubt);
    ledger_deinit(&r->ledger);
    remove_passing(r); /* as long as the janitor would do it */
    janitor_leave(&r->janitor, ends_soon);
    console_free(r->ctx.console);
    return code;
}

static int check_text(const struct strvec *texts, const char *what, struct error *err)
{
    for (size_t i = 0; i < texts->len; i++) {
        const char *p = texts->items[i];
        for (size_t left = strlen(p), n; left; p += n, left -= n) {
            n = text_utf8_length(p, left);
            if (n == 0)
                return error_set(err, ERROR_CONFIG,
                                 "%s '%.*s...' is not UTF-8, which is all an "
                                 "engine takes",
                                 what, (int)strcspn(texts->items[i], "="), texts->items[i]);
        }
    }
    return 0;
}

/* What no engine would take is found before anything is started. */
static int check_plan(const struct plan *plan, struct error *err)
{
    if (plan->program && plan->settings->own.keep != KEEP_NO)
        return error_set(err, ERROR_USAGE,
                         "'%s' is a program of this machine: there is no container to keep, so no "
                         "--keep",
                         plan->program);
    if (check_text(&plan->test_argv, "the argument", err) < 0)
        return -1;
    return check_text(&plan->shards.items[0].app_env, "the variable", err);
}

/* Who serves, or has a shell, has no tests. */
static int divide(struct run *r, struct error *err)
{
    if (!r->ctx.shell && !r->ctx.settings->serve)
        return division_init(&r->division, &r->plan, err);
    r->division = (struct division){.plan = &r->plan, .state = DIVISION_READY};
    return 0;
}

/* A shell, or a plan, leaves nothing, an earlier run's results neither. */
static int open_results(struct run *r, struct error *err)
{
    if (!r->ctx.shell && !r->plans)
        return results_open(r->ctx.settings->own.results, err);
    r->passing = program_scratch(r->plan.run_id, -1);
    if (mkdir(r->passing, 0700) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "no directory '%s'", r->passing);
    return results_open(r->passing, err);
}

int run_execute(const struct settings *settings, struct shell *shell, FILE *out, struct error *err)
{
    struct front front;
    int answer = 0;
    bool keeps = settings->own.keep != KEEP_NO && !shell && !settings->plan_output;
    int divided = keeps ? front_divide(&front, &answer, err) : 0;
    if (divided)
        return divided < 0 ? error_exit_code(err->kind) : answer;
    struct run r = {.signal_fd = run_block_signals(),
                    .started_at = clock_now(),
                    .front = keeps ? &front : NULL,
                    .plans = settings->plan_output != NULL};
    r.ctx = (struct run_context){.settings = settings,
                                 .plan = &r.plan,
                                 .ledger = &r.ledger,
                                 .starts = &r.starts,
                                 .holders = &r.holders,
                                 .pods = &r.pods,
                                 .division = &r.division,
                                 .result = &r.result,
                                 .shell = shell,
                                 .results_dir = -1};
    raise_descriptor_limit();
    if (plan_make(&r.plan, settings, NULL, err) < 0)
        return error_exit_code(err->kind);
    if (shell && r.plan.program)
        error_set(err, ERROR_USAGE,
                  "'%s' is a program of this machine: there is no container to go into",
                  settings->image.value);
    if (error_is_set(err) || check_plan(&r.plan, err) < 0 || divide(&r, err) < 0) {
        plan_deinit(&r.plan);
        return error_exit_code(err->kind);
    }

    int code;
    result_init(&r.result, r.plan.run_id, settings->application_id.value);
    add_suites(&r);
    r.ctx.results_dir = open_results(&r, err);
    if (r.ctx.results_dir < 0) {
        code = error_exit_code(err->kind);
    } else {
        r.ctx.journal = journal_new(r.ctx.results_dir, r.plan.run_id);
        code = run_with_results(&r, out, err);
        journal_free(r.ctx.journal);
        close(r.ctx.results_dir);
    }
    remove_passing(&r);
    loop_free(r.ctx.loop);
    result_deinit(&r.result);
    division_deinit(&r.division);
    plan_deinit(&r.plan);
    error_clear(&r.error);
    free(r.passing);
    close(r.signal_fd);
    return code;
}

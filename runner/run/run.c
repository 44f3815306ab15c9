/* SPDX-License-Identifier: Apache-2.0 */
#include "run/run.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include <cleanroom/log.h>

#include "config/program.h"
#include "engine/direct/direct.h"
#include "report/directory.h"
#include "report/text.h"
#include "run/dwelling.h"
#include "run/kept.h"
#include "run/outcome.h"
#include "run/owner.h"
#include "run/planning.h"
#include "run/reach.h"
#include "run/replay.h"
#include "run/run_parts.h"
#include "run/shard_collect.h"

#define EVENTS_RETRIES 20
#define EVENTS_PAUSE   (250 * NSEC_PER_MSEC)

static void enter_bake(struct run *r);
static void enter_deploy(struct run *r);
static void enter_shards(struct run *r);
static void enter_kept(struct run *r);
static void enter_sweep(struct run *r);
static void enter_done(struct run *r);

/* The one writer of state. */
static void run_set_state(struct run *r, enum run_state state)
{
    static void (*const enter[])(struct run *) = {
        [RUN_BAKE] = enter_bake, [RUN_DEPLOY] = enter_deploy, [RUN_SHARDS] = enter_shards,
        [RUN_KEPT] = enter_kept, [RUN_SWEEP] = enter_sweep,   [RUN_DONE] = enter_done,
    };
    static const char *const names[] = {"prepare", "bake",  "deploy", "shards",
                                        "kept",    "sweep", "done"};

    assert(state > r->state);
    r->state = state;
    log_debug("run: %s", names[state]);
    journal_state(r->ctx.journal, "run", names[state], NULL);
    enter[state](r);
}

/* Everything that goes on is torn down; the first reason is the run's. */
static void run_fail(struct run *r, const struct error *err)
{
    if (!error_is_set(&r->error))
        error_copy(&r->error, err);
    bake_stop(&r->bake, err);
    bake_stop(&r->deploy, err);
    for (size_t i = 0; i < r->shard_count; i++)
        shard_stop(&r->shards[i], err);
}

/* --- events ---------------------------------------------------------------------------------- */

static void open_events(void *data);

static void on_event(void *data, const struct engine_event *event)
{
    struct run *r = data;
    if (event->kind != EVENT_DIED || bake_container_died(&r->bake, event->name) ||
        bake_container_died(&r->deploy, event->name) ||
        commons_container_died(&r->commons, event->name))
        return;
    for (size_t i = 0; i < r->shard_count; i++)
        if (shard_container_died(&r->shards[i], event->name))
            return;
}

/* What happened while nobody listened is found out by asking. */
static void on_events_ready(void *data)
{
    struct run *r = data;
    r->events_retries = 0;
    bake_recheck(&r->bake);
    bake_recheck(&r->deploy);
    commons_recheck(&r->commons);
    for (size_t i = 0; i < r->shard_count; i++)
        shard_recheck(&r->shards[i]);
    prepare_events_ready(&r->prepare);
}

static void on_events_end(void *data, enum engine_outcome outcome, const struct error *err)
{
    struct run *r = data;
    r->events = NULL;
    if (r->state >= RUN_SWEEP || outcome == ENGINE_CANCELLED)
        return;
    if (++r->events_retries <= EVENTS_RETRIES) {
        loop_timer_arm(r->ctx.loop, &r->events_timer, clock_now() + EVENTS_PAUSE, open_events, r);
        return;
    }

    _cleanup_error_ struct error lost = ERROR_INIT;
    if (err && error_is_set(err))
        error_copy(&lost, err);
    else
        error_set(&lost, ERROR_ENGINE, "the engine at %s ended its events", r->ctx.engine->where);
    if (r->state == RUN_PREPARE)
        prepare_cancel(&r->prepare, &lost);
    else
        run_fail(r, &lost);
}

static void open_events(void *data)
{
    struct run *r = data;
    r->events = r->ctx.engine->ops->events(r->ctx.engine, r->plan.run_id, on_events_ready, on_event,
                                           on_events_end, r);
}

/* --- signals --------------------------------------------------------------------------------- */

static void on_signal(void *data, int fd, short revents)
{
    struct run *r = data;
    struct signalfd_siginfo info;
    (void)revents;
    if (read(fd, &info, sizeof(info)) != sizeof(info))
        return;

    const char *name = sigabbrev_np((int)info.ssi_signo);
    if (r->signal) {
        console_say(r->ctx.console, 0, "SIG%s again: the janitor (pid %d) removes the rest", name,
                    (int)r->janitor.pid);
        r->stop = true;
        return;
    }
    r->signal = (int)info.ssi_signo;
    console_say(r->ctx.console, 0, "SIG%s: removing everything", name);
    _cleanup_error_ struct error err = ERROR_INIT;
    error_set(&err, ERROR_CANCELLED, "interrupted by SIG%s", name);
    if (r->state == RUN_PREPARE)
        prepare_cancel(&r->prepare, &err);
    else if (r->signal == SIGINT && run_was_serving(r))
        shard_stop(&r->shards[0], &err);
    else
        run_fail(r, &err);
}

/* The run goes on without its safety net; a `cleanroom recycle` now would take it for abandoned. */
static void on_janitor_gone(void *data, int fd, short revents)
{
    struct run *r = data;
    (void)revents;
    loop_unwatch(r->ctx.loop, fd);
    log_warning("the janitor has died: a kill -9 from now on leaves the run's objects behind");
}

/* Blocked for good; what was ignored when we began (nohup) stays ignored. */
static int block_signals(void)
{
    static const int ours[] = {SIGINT, SIGTERM, SIGHUP};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
        struct sigaction old;
        (void)sigaction(ours[i], NULL, &old);
        if (old.sa_handler != SIG_IGN)
            sigaddset(&set, ours[i]);
    }
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* --- the life -------------------------------------------------------------------------------- */

static void on_prepared(void *data, const struct error *err)
{
    struct run *r = data;
    _cleanup_error_ struct error other = ERROR_INIT;
    if (!err && planning_check(r, &other) < 0)
        err = &other;
    if (err)
        run_fail(r, err);
    run_set_state(r, err || r->shard_count == 0 ? RUN_SWEEP : RUN_BAKE);
}

static void on_baked(void *data, const struct error *err)
{
    struct run *r = data;
    (void)err;
    run_set_state(r, error_is_set(&r->error) ? RUN_SWEEP : RUN_DEPLOY);
}

/* A deploy that said no is the verdict of all shards. */
static void stop_undeployed(struct run *r)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    error_set(&err, ERROR_SERVICE, "the one deploy for all shards failed");
    for (size_t i = 0; i < r->shard_count; i++)
        shard_stop(&r->shards[i], &err);
}

static void on_deployed(void *data, const struct error *err)
{
    struct run *r = data;
    if (err)
        run_fail(r, err);
    else if (bake_failed(&r->deploy))
        stop_undeployed(r);
    bool go_on = !error_is_set(&r->error) && !bake_failed(&r->deploy);
    run_set_state(r, go_on ? RUN_SHARDS : RUN_SWEEP);
}

static void enter_bake(struct run *r)
{
    bake_begin(&r->bake, &r->ctx, on_baked, r);
}

static void enter_deploy(struct run *r)
{
    bake_deploy(&r->deploy, &r->ctx, on_deployed, r);
}

/* What they shared goes after the last of them. */
static void shards_are_gone(struct run *r)
{
    if (commons_gone(&r->commons))
        run_set_state(r, RUN_SWEEP);
    else
        commons_end(&r->commons);
}

static void on_commons_done(void *data)
{
    struct run *r = data;
    if (r->shards_done == r->shard_count && r->shards_kept == 0)
        run_set_state(r, RUN_SWEEP);
}

/* From the loop: whoever has ended is still being left. */
static void renew_shards(void *data)
{
    struct run *r = data;
    for (size_t i = 0; i < r->shard_count; i++)
        if (r->shards[i].state == SHARD_DONE && r->shards[i].wants_fresh)
            shard_renew(&r->shards[i]);
}

/* Its failed tests have another try, unless the run is ending. */
static bool goes_on(struct run *r, struct shard *s)
{
    if (s->state != SHARD_DONE || !s->wants_fresh)
        return false;
    if (!error_is_set(&r->error) && !s->left && r->state == RUN_SHARDS) {
        loop_timer_arm(r->ctx.loop, &r->renewal, clock_now(), renew_shards, r);
        return true;
    }
    s->wants_fresh = false;
    shard_report_once(s);
    return false;
}

/* --fail-fast: the others need not go on. */
static void on_tests_failed(void *data, struct shard *s)
{
    struct run *r = data;
    _cleanup_free_ char *why = xasprintf("not run to its end: shard %d failed, and --fail-fast "
                                         "ends the others",
                                         s->number);
    console_say(r->ctx.console, s->number, "failed: the other shards are ended");
    division_end(&r->division, why);
    for (size_t i = 0; i < r->shard_count; i++)
        if (&r->shards[i] != s)
            shard_abandon(&r->shards[i], why);
}

static void on_shard_done(void *data, struct shard *s)
{
    struct run *r = data;
    if (goes_on(r, s))
        return;
    if (s->state == SHARD_DONE && s->kept && --r->shards_kept == 0 && r->state == RUN_KEPT)
        shards_are_gone(r);
    if (s->state == SHARD_DONE && s->kept)
        return;
    r->shards_kept += s->state == SHARD_KEPT;
    r->shards_done++;
    if (r->state != RUN_SHARDS)
        return; /* it never began */
    if (r->shards_done < r->shard_count)
        run_write_report_soon(r);
    else if (r->shards_kept)
        run_set_state(r, RUN_KEPT);
    else
        shards_are_gone(r);
}

static void begin_shards(void *data)
{
    struct run *r = data;
    for (size_t i = 0; i < r->shard_count; i++)
        shard_begin(&r->shards[i]);
}

static void on_commons_failed(void *data, const struct error *err)
{
    run_fail(data, err);
}

static void enter_shards(struct run *r)
{
    if (r->commons.world)
        commons_begin(&r->commons, begin_shards, on_commons_failed, on_commons_done, r);
    else
        begin_shards(r);
}

static void on_swept(void *data)
{
    struct run *r = data;
    run_set_state(r, RUN_DONE);
}

static void enter_sweep(struct run *r)
{
    loop_timer_disarm(r->ctx.loop, &r->events_timer);
    loop_timer_disarm(r->ctx.loop, &r->report_timer);
    loop_timer_disarm(r->ctx.loop, &r->renewal);
    if (r->events)
        r->ctx.engine->ops->cancel(r->ctx.engine, r->events);
    r->sweep = (struct sweep){.engine = r->ctx.engine,
                              .run = r->plan.run_id,
                              .done = on_swept,
                              .data = r,
                              .deadline = context_teardown_deadline(&r->ctx)};
    sweep_begin(&r->sweep);
}

static void enter_done(struct run *r)
{
    r->stop = true;
}

static void say_kept(struct run *r)
{
    for (size_t i = 0; i < r->shard_count; i++)
        if (r->shards[i].state == SHARD_KEPT)
            console_say(r->ctx.console, r->shards[i].number,
                        "is kept; to go inside: cleanroom shell --run %s --shard %d",
                        r->plan.run_id, r->shards[i].number);
    console_say(r->ctx.console, 0, "to end what is kept: cleanroom recycle %s", r->plan.run_id);
}

static void enter_kept(struct run *r)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    int code = run_conclude(r, &err);
    r->concluded = true;
    say_kept(r);
    r->visits = visits_new(r->ctx.loop, r->plan.run_id, r->shards, r->shard_count, &err);
    if (!r->visits)
        log_warning("%s", err.message);
    _cleanup_free_ char *title = xasprintf("cleanroom: keeps what is left of run %s",
                                           r->plan.run_id);
    front_leave(r->front, title, code, &err);
}

/* --- set up and take down -------------------------------------------------------------------- */

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

static void init_shards(struct run *r)
{
    int first = r->ctx.shell ? r->ctx.shell->number : r->plan.first_shard + 1;
    r->shard_count = r->ctx.shell ? 1 : r->plans ? planning_shards(r) : (size_t)r->plan.shard_count;
    r->shards = xcalloc(r->shard_count, sizeof(*r->shards));
    for (size_t i = 0; i < r->shard_count; i++)
        shard_init(&r->shards[i], &r->ctx, first + (int)i, on_shard_done, r);
    commons_init(&r->commons, &r->ctx, r->shards, r->shard_count);
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
    init_shards(r);
    say_hello(r);
    loop_watch(r->ctx.loop, r->signal_fd, POLLIN, on_signal, r);
    if (r->janitor.gone >= 0)
        loop_watch(r->ctx.loop, r->janitor.gone, POLLIN, on_janitor_gone, r);
    prepare_begin(&r->prepare, &r->ctx, on_prepared, r);
    open_events(r);
    _cleanup_error_ struct error broken = ERROR_INIT;
    if (loop_run(r->ctx.loop, &r->stop, &broken) < 0 && !error_is_set(&r->error))
        error_move(&r->error, &broken);
    loop_unwatch(r->ctx.loop, r->signal_fd);
    loop_unwatch(r->ctx.loop, r->janitor.gone);
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
    struct run r = {.signal_fd = block_signals(),
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
                                 .on_failed = on_tests_failed,
                                 .on_failed_data = &r,
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

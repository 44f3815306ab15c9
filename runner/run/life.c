/* SPDX-License-Identifier: Apache-2.0 */
#include "run/life.h"

#include <assert.h>

#include <cleanroom/log.h>

#include "run/outcome.h"
#include "run/planning.h"
#include "run/shard_collect.h"

static void enter_bake(struct run *r);
static void enter_deploy(struct run *r);
static void enter_shards(struct run *r);
static void enter_kept(struct run *r);
static void enter_sweep(struct run *r);
static void enter_done(struct run *r);

/* The one writer of state. */
void run_set_state(struct run *r, enum run_state state)
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

void run_fail(struct run *r, const struct error *err)
{
    if (!error_is_set(&r->error))
        error_copy(&r->error, err);
    bake_stop(&r->bake, err);
    bake_stop(&r->deploy, err);
    for (size_t i = 0; i < r->shard_count; i++)
        shard_stop(&r->shards[i], err);
}

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

void run_init_shards(struct run *r)
{
    r->ctx.on_failed = on_tests_failed;
    r->ctx.on_failed_data = r;
    int first = r->ctx.shell ? r->ctx.shell->number : r->plan.first_shard + 1;
    r->shard_count = r->ctx.shell ? 1 : r->plans ? planning_shards(r) : (size_t)r->plan.shard_count;
    r->shards = xcalloc(r->shard_count, sizeof(*r->shards));
    for (size_t i = 0; i < r->shard_count; i++)
        shard_init(&r->shards[i], &r->ctx, first + (int)i, on_shard_done, r);
    commons_init(&r->commons, &r->ctx, r->shards, r->shard_count);
}

void run_begin(struct run *r)
{
    prepare_begin(&r->prepare, &r->ctx, on_prepared, r);
}

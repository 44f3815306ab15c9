/* SPDX-License-Identifier: Apache-2.0 */
#include "run/shard.h"

#include <assert.h>

#include <cleanroom/log.h>

#include "run/shard_collect.h"
#include "run/shard_holder.h"
#include "run/shard_inside.h"
#include "run/shard_keep.h"
#include "run/shard_phase.h"
#include "run/shard_rounds.h"
#include "run/shard_services.h"
#include "run/shell.h"

/* Of each app stream: what the report keeps. The whole is in app.log. */
#define APP_HEAD 32768
#define APP_TAIL 98304

static const char *const state_names[] = {
    [SHARD_QUEUED] = "queued",     [SHARD_HOLDER] = "holder",   [SHARD_SERVICES] = "services",
    [SHARD_DEPLOY] = "deploy",     [SHARD_KEEP] = "keep",       [SHARD_SHARE] = "share",
    [SHARD_TEST] = "test",         [SHARD_COLLECT] = "collect", [SHARD_KEPT] = "kept",
    [SHARD_TEARDOWN] = "teardown", [SHARD_DONE] = "done",
};

static void enter_share(struct shard *s);
static void enter_teardown(struct shard *s);
static void enter_done(struct shard *s);

/* The one writer of state. */
void shard_set_state(struct shard *s, enum shard_state state)
{
    static void (*const enter[])(struct shard *) = {
        [SHARD_HOLDER] = shard_enter_holder,   [SHARD_SERVICES] = shard_enter_services,
        [SHARD_DEPLOY] = shard_enter_deploy,   [SHARD_KEEP] = shard_enter_keep,
        [SHARD_SHARE] = enter_share,           [SHARD_TEST] = shard_enter_test,
        [SHARD_COLLECT] = shard_enter_collect, [SHARD_KEPT] = shard_enter_kept,
        [SHARD_TEARDOWN] = enter_teardown,     [SHARD_DONE] = enter_done,
    };

    assert(state > s->state);
    s->state = state;
    loop_timer_disarm(s->ctx->loop, &s->deadline);
    if (state > SHARD_SERVICES)
        gate_leave(s->ctx->pods, &s->ticket);
    log_debug("shard %d: %s", s->number, state_names[state]);
    _cleanup_free_ char *subject = context_subject(s->number, "");
    journal_state(s->ctx->journal, subject, state_names[state],
                  state == SHARD_TEARDOWN ? s->error.message : NULL);
    enter[state](s);
}

int shard_voice(const struct shard *s)
{
    return s->number > 0 ? s->number : 0;
}

/* Whoever is served until somebody ends it has not failed then. */
static bool was_served(const struct shard *s, const struct error *err)
{
    return s->ctx->settings->serve && s->state == SHARD_TEST && err->kind == ERROR_CANCELLED;
}

void shard_stop(struct shard *s, const struct error *err)
{
    if (s->state >= SHARD_TEARDOWN)
        return;
    if (!error_is_set(&s->error) && !was_served(s, err))
        error_copy(&s->error, err);
    shard_set_state(s, SHARD_TEARDOWN);
}

void shard_abandon(struct shard *s, const char *why)
{
    if (s->state >= SHARD_COLLECT)
        return;
    replace_str(&s->abandoned, why);
    if (s->state < SHARD_TEST) {
        shard_set_state(s, SHARD_TEARDOWN);
        return;
    }
    bool between = s->rounds.step == ROUND_CLEANING; /* it looks before it goes on */
    shard_rounds_stop(s);
    if (!between)
        shard_set_state(s, SHARD_COLLECT);
}

void shard_fail(struct shard *s, enum error_kind kind, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *text = xvasprintf(fmt, ap);
    va_end(ap);
    _cleanup_error_ struct error err = ERROR_INIT;
    error_set(&err, kind, "%s", text);
    shard_stop(s, &err);
}

static void enter_share(struct shard *s)
{
    (void)s; /* who needs it is with commons.c */
}

/* --- TEARDOWN -------------------------------------------------------------------------------- */

static void each_container(struct shard *s, void (*fn)(struct container *c, void *arg), void *arg)
{
    fn(&s->inside, arg);
    fn(&s->test.container, arg);
    fn(&s->deploy.container, arg);
    for (size_t i = 0; i < s->service_count; i++)
        fn(&s->services[i].container, arg);
    fn(&s->holder, arg);
}

static void remove_one(struct container *c, void *deadline)
{
    container_remove(c, *(nsec_t *)deadline);
}

static void enter_teardown(struct shard *s)
{
    s->teardown_by = context_teardown_deadline(s->ctx);
    if (s->on_step)
        s->on_step(s->data, s, NULL);
    if (s->ctx->shell && s->kind == SHARD_TESTS)
        shell_end(s->ctx->shell);
    if (s->archive)
        s->ctx->engine->ops->cancel(s->ctx->engine, s->archive);
    if (s->flush)
        s->ctx->engine->ops->cancel(s->ctx->engine, s->flush);
    shard_keep_cancel(s);
    shard_rounds_cancel(s);
    for (size_t i = 0; i < s->service_count; i++)
        sign_cancel(&s->services[i].sign);
    console_end_stream(s->ctx->console, shard_voice(s));
    shard_report_once(s);
    each_container(s, remove_one, &s->teardown_by);
    shard_teardown_goes_on(s);
}

static void count_busy(struct container *c, void *count)
{
    if (c->stage != CONTAINER_GONE)
        ++*(int *)count;
}

/* Volumes go when no container can use them any more. */
void shard_teardown_goes_on(struct shard *s)
{
    int busy = s->archive || s->flush || shard_keep_busy(s) || shard_rounds_busy(s) ? 1 : 0;
    for (size_t i = 0; i < s->service_count; i++)
        busy += sign_is_busy(&s->services[i].sign);
    each_container(s, count_busy, &busy);
    if (s->state != SHARD_TEARDOWN || busy)
        return;

    bool gone = true;
    for (size_t i = 0; i < s->volume_count; i++)
        volume_remove(&s->volumes[i], s->teardown_by);
    for (size_t i = 0; i < s->volume_count; i++)
        gone = gone && s->volumes[i].stage == VOLUME_GONE;
    if (gone && s->state == SHARD_TEARDOWN)
        shard_set_state(s, SHARD_DONE);
}

static void note_left(struct container *c, void *left)
{
    *(bool *)left = *(bool *)left || c->left;
}

static void enter_done(struct shard *s)
{
    each_container(s, note_left, &s->left);
    for (size_t i = 0; i < s->volume_count; i++)
        s->left = s->left || s->volumes[i].left;
    s->on_done(s->data, s);
}

/* --- the shard as a whole -------------------------------------------------------------------- */

struct death {
    const char *name;
    bool ours;
};

static void die_if_named(struct container *c, void *arg)
{
    struct death *death = arg;
    if (strcmp(c->name, death->name) != 0)
        return;
    death->ours = true;
    container_died(c);
}

bool shard_container_died(struct shard *s, const char *name)
{
    struct death death = {.name = name};
    each_container(s, die_if_named, &death);
    return death.ours;
}

static void recheck(struct container *c, void *arg)
{
    (void)arg;
    container_recheck(c);
}

void shard_recheck(struct shard *s)
{
    each_container(s, recheck, NULL);
}

int shard_open_log(struct shard *s, const char *name)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    int fd = results_create(s->ctx->results_dir, s->number, name, &err);
    if (fd < 0)
        log_warning("%s", err.message);
    return fd;
}

static enum shard_kind kind_of(int number)
{
    if (number > 0)
        return SHARD_TESTS;
    return number == CONTEXT_SEED   ? SHARD_SEED
           : number == CONTEXT_BAKE ? SHARD_BAKE
                                    : SHARD_COMMONS;
}

static const struct plan_shard *plan_of(const struct plan *plan, int number)
{
    if (number > 0)
        return &plan->shards.items[number - 1];
    return number == CONTEXT_COMMONS ? &plan->commons : &plan->seed;
}

void shard_init(struct shard *s, struct run_context *ctx, int number,
                void (*on_done)(void *data, struct shard *s), void *data)
{
    *s = (struct shard){.ctx = ctx,
                        .kind = kind_of(number),
                        .plan = plan_of(ctx->plan, number),
                        .number = number,
                        .archive_fd = -1,
                        .on_done = on_done,
                        .data = data};
    capture_init(&s->out, APP_HEAD, APP_TAIL);
    capture_init(&s->err, APP_HEAD, APP_TAIL);
    s->log_fd = s->kind == SHARD_COMMONS ? -1 : shard_open_log(s, "app.log");
    shard_init_holder(s);
    shard_init_services(s);
    shard_init_inside(s);
    shard_rounds_init(&s->rounds);
    shard_init_phase(s, &s->deploy, "deploy");
    shard_init_phase(s, &s->test, ctx->shell ? "shell" : ctx->settings->serve ? "serve" : "test");
}

static void deinit_container(struct container *c, void *arg)
{
    (void)arg;
    container_deinit(c);
}

void shard_renew(struct shard *s)
{
    struct shard_rounds rounds = s->rounds;
    void (*on_done)(void *data, struct shard *s) = s->on_done;
    void *data = s->data;
    int worlds = s->worlds + 1, exit_code = s->test.exit_code;
    char *verdict = TAKE_PTR(s->test.verdict);
    nsec_t took = s->test.took,
           first_started = s->first_started_wall ? s->first_started_wall : s->started_wall;
    struct capture out = s->out, err = s->err;
    capture_init(&s->out, 0, 0);
    capture_init(&s->err, 0, 0);
    shard_rounds_init(&s->rounds); /* the old one is carried over */
    shard_deinit(s);
    shard_init(s, s->ctx, s->number, on_done, data);
    shard_rounds_deinit(s);
    s->rounds = rounds;
    shard_rounds_renew(s);
    s->worlds = worlds;
    s->test.exit_code = exit_code;
    s->test.verdict = verdict;
    s->test.took = took;
    s->first_started_wall = first_started;
    s->out = out;
    s->err = err;
    shard_begin(s);
}

void shard_deinit(struct shard *s)
{
    for (size_t i = 0; i < s->service_count; i++)
        sign_deinit(&s->services[i].sign); /* names its container */
    each_container(s, deinit_container, NULL);
    for (size_t i = 0; i < s->volume_count; i++)
        volume_deinit(&s->volumes[i]);
    for (size_t i = 0; i < s->service_count; i++) {
        capture_deinit(&s->services[i].log);
        free(s->services[i].reason);
        keep_deinit(&s->services[i].keep);
        strbuf_deinit(&s->services[i].files);
        service_plan_deinit(&s->services[i].spec);
        if (s->services[i].log_fd >= 0)
            close(s->services[i].log_fd);
    }
    free(s->services);
    shard_rounds_deinit(s);
    free(s->deploy.verdict);
    free(s->test.verdict);
    free(s->abandoned);
    capture_deinit(&s->out);
    capture_deinit(&s->err);
    strbuf_deinit(&s->holder_line);
    collect_free(s->collect);
    collect_free(s->reports);
    error_clear(&s->error);
    error_clear(&s->collect_error);
    loop_timer_disarm(s->ctx->loop, &s->deadline);
    if (s->log_fd >= 0)
        close(s->log_fd);
    if (s->archive_fd >= 0)
        close(s->archive_fd);
}

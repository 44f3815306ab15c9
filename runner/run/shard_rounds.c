/* SPDX-License-Identifier: Apache-2.0 */
#include "run/shard_rounds.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <cleanroom/log.h>

#include "report/directory.h"
#include "run/round_choice.h"
#include "run/round_create.h"
#include "run/round_results.h"
#include "run/shard_collect.h"
#include "run/shard_create.h"
#include "run/shard_phase.h"
#include "satellite/satellite.h"

void shard_rounds_init(struct shard_rounds *r)
{
    *r = (struct shard_rounds){.pass = 1, .said = -1};
    strbuf_init(&r->files, 0);
    for (int i = OUTPUT_STDOUT; i <= OUTPUT_STDERR; i++)
        strbuf_init(&r->listed[i], LIST_TEXT_MAX);
}

void shard_rounds_deinit(struct shard *s)
{
    struct shard_rounds *r = &s->rounds;
    division_leave(s->ctx->division, &r->ticket);
    part_deinit(&r->part);
    part_deinit(&r->failed);
    for (size_t i = 0; i < r->parts.len; i++)
        part_deinit(&r->parts.items[i]);
    vec_deinit(&r->parts);
    for (int i = OUTPUT_STDOUT; i <= OUTPUT_STDERR; i++)
        strbuf_deinit(&r->listed[i]);
    strbuf_deinit(&r->files);
    strvec_deinit(&r->env);
    free(r->recovered);
    round_results_deinit(r);
}

/* A container that has been removed is made anew. */
static void renew_container(struct shard *s, const char *role)
{
    if (s->test.container.stage == CONTAINER_PLANNED && strcmp(s->test.name, role) == 0)
        return;
    container_deinit(&s->test.container);
    shard_init_phase_container(s, &s->test, role);
}

static void start(struct shard *s)
{
    struct shard_rounds *r = &s->rounds;
    r->step = ROUND_RUNNING;
    r->count++;
    r->number++;
    r->untaken = true;
    r->ended = r->exit_failed = false;
    round_results_begin(s);
    shard_start_phase(s, &s->test, s->ctx->settings->own.test_timeout);
}

static void next_round(struct shard *s)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    if (!round_choose(s)) {
        if (s->rounds.count == 0)
            renew_container(s, "test"); /* it was the list's */
        shard_set_state(s, SHARD_COLLECT);
        return;
    }
    renew_container(s, "test");
    if (round_create(s, &err) < 0)
        shard_stop(s, &err);
    else
        start(s);
}

/* Only what is certain before its services are up. */
void shard_rounds_prepare(struct shard *s)
{
    const struct division *d = s->ctx->division;
    _cleanup_error_ struct error err = ERROR_INIT;
    if (s->worlds == 0 && (d->state != DIVISION_READY || d->method.split == SPLIT_QUEUE))
        return;
    if (!round_choose(s))
        return;
    if (round_create(s, &err) < 0)
        shard_stop(s, &err);
    s->rounds.prepared = true;
}

/* --- the list --------------------------------------------------------------------------------- */

static void begin_list(struct shard *s)
{
    struct division *d = s->ctx->division;
    _cleanup_strvec_ struct strvec words = STRVEC_INIT;
    division_list(d);
    s->rounds.step = ROUND_LISTING;
    for (int i = OUTPUT_STDOUT; i <= OUTPUT_STDERR; i++)
        strbuf_reset(&s->rounds.listed[i]);
    division_list_words(d, &words);
    renew_container(s, "list");
    s->test.container.sink[OUTPUT_STDOUT] = s->test.container.sink[OUTPUT_STDERR] = NULL;
    const struct app_run run = {.argv = &words, .entry = d->method.by_files};
    shard_create_phase(s, &s->test, &run);
    shard_start_phase(s, &s->test, s->ctx->settings->own.test_timeout);
}

/* The output of a list that is none says why. */
static void list_failed(struct shard *s, const char *why)
{
    struct shard_rounds *r = &s->rounds;
    capture_add(&s->out, r->listed[OUTPUT_STDOUT].buf, r->listed[OUTPUT_STDOUT].len);
    capture_add(&s->err, r->listed[OUTPUT_STDERR].buf, r->listed[OUTPUT_STDERR].len);
    s->failed = true;
    replace_str(&s->test.verdict, why);
    s->test.exit_code = s->test.exit_code ? s->test.exit_code : 1;
    console_say(s->ctx->console, s->number, "the tests could not be listed: %s", why);
    division_end(s->ctx->division, "the tests could not be listed");
    shard_set_state(s, SHARD_COLLECT);
}

static void list_ended(struct shard *s, const struct container *c)
{
    struct division *d = s->ctx->division;
    struct shard_rounds *r = &s->rounds;
    const struct preset *p = s->ctx->settings->own.list.len ? NULL : d->method.preset;
    struct strbuf *text = &r->listed[p && p->list_on_stderr ? OUTPUT_STDERR : OUTPUT_STDOUT];
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *verdict = container_verdict(c);
    s->test.ended = true;
    s->test.took = c->exited_at - c->started_at;
    s->test.exit_code = p && p->list_status_counts ? 0 : c->exit_code;
    if (s->test.exit_code) {
        list_failed(s, verdict);
        return;
    }
    if (division_listed(d, text->buf, text->len, &err) < 0) {
        list_failed(s, err.message);
        return;
    }
    s->test.took = 0;
    s->test.begun = s->test.ended = false;
    console_say(s->ctx->console, 0, "%zu tests listed", d->list.tests.len);
    if (s->ctx->settings->plan_output) {
        shard_set_state(s, SHARD_COLLECT);
        return;
    }
    r->step = ROUND_CLEANING;
    container_remove(&s->test.container, context_teardown_deadline(s->ctx));
}

static void go_on(void *data)
{
    struct shard *s = data;
    if (s->state != SHARD_TEST)
        return;
    if (s->ctx->division->state == DIVISION_UNLISTED)
        begin_list(s);
    else
        next_round(s);
}

void shard_rounds_begin(struct shard *s)
{
    struct shard_rounds *r = &s->rounds;
    if (r->prepared) {
        start(s);
        return;
    }
    if (s->worlds > 0) {
        next_round(s);
        return;
    }
    r->step = ROUND_WAITING;
    division_wait(s->ctx->division, &r->ticket, go_on, s);
}

/* --- from one to the next --------------------------------------------------------------------- */

static void clean_if_done(struct shard *s)
{
    struct shard_rounds *r = &s->rounds;
    if (s->state != SHARD_TEST || r->step != ROUND_CLEANING || s->archive || r->empty)
        return;
    if (s->test.container.stage == CONTAINER_GONE && !r->clearing)
        next_round(s);
}

static void remove_container(struct shard *s)
{
    container_remove(&s->test.container, context_teardown_deadline(s->ctx));
}

static void on_empty(void *data, enum engine_outcome outcome, const struct error *err)
{
    struct shard *s = data;
    s->rounds.empty = NULL;
    if (s->state != SHARD_TEST)
        shard_teardown_goes_on(s);
    else if (outcome != ENGINE_OK)
        shard_fail(s, ERROR_ENGINE, "the pod's holder could not be told of the next round: %s",
                   err && error_is_set(err) ? err->message : "it is gone");
    else
        clean_if_done(s);
}

static void remove_here(const char *path)
{
    if (directory_remove(AT_FDCWD, path) < 0 && errno != ENOENT)
        log_warning("'%s' could not be removed: %s", path, strerror(errno));
}

/* What a program has left is on this machine. */
void shard_rounds_renew(struct shard *s)
{
    s->rounds.count = 0;
    s->rounds.prepared = s->rounds.clearing = false;
    if (s->plan->scratch)
        remove_here(s->plan->scratch);
}

static void put_aside_here(struct shard *s)
{
    static const char *const dirs[] = {PLAN_XML_DIR, PLAN_OUTPUTS};
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        _cleanup_free_ char *path = shard_path(s, dirs[i]);
        remove_here(path);
    }
    s->rounds.clearing = false;
    remove_container(s);
}

static void put_aside(struct shard *s)
{
    if (s->ctx->plan->program) {
        put_aside_here(s);
        clean_if_done(s);
        return;
    }
    s->rounds.empty = s->ctx->engine->ops->container_signal(
        s->ctx->engine, s->holder.name, SATELLITE_EMPTY, context_teardown_deadline(s->ctx),
        on_empty, s);
}

void shard_rounds_emptied(struct shard *s)
{
    s->rounds.clearing = false;
    clean_if_done(s);
}

static void round_fetched(void *data, enum engine_outcome outcome, const struct error *err)
{
    struct shard *s = data;
    s->archive = NULL;
    if (s->state != SHARD_TEST) {
        shard_teardown_goes_on(s);
        return;
    }
    if (s->reports && outcome == ENGINE_NOT_FOUND)
        outcome = ENGINE_OK; /* not each round writes one */
    if (outcome == ENGINE_OK && shard_fetch_reports(s, round_fetched))
        return;
    if (outcome != ENGINE_OK) {
        shard_fail(s, ERROR_ENGINE, "what the tests left could not be fetched: %s",
                   err && error_is_set(err) ? err->message : "the pod's holder is gone");
        return;
    }
    round_results_take(s);
    if (s->ctx->settings->own.reports)
        remove_container(s);
    put_aside(s);
}

static void clean(struct shard *s)
{
    s->rounds.step = ROUND_CLEANING;
    s->rounds.clearing = true;
    loop_timer_disarm(s->ctx->loop, &s->deadline);
    shard_fetch_round(s, round_fetched);
    if (!s->ctx->plan->program && !s->ctx->settings->own.reports)
        remove_container(s); /* meanwhile */
}

/* A shard without a test is no failure; all of them are, and the proof says so. */
static bool has_failed(const struct shard *s, const struct container *c)
{
    const struct preset *p = s->ctx->division->method.preset;
    bool empty = p && p->empty_status && c->exit_code == p->empty_status;
    return c->exit_code != 0 && !(empty && s->ctx->plan->shards.len > 1);
}

static void round_ended(struct shard *s, const struct container *c)
{
    struct shard_phase *test = &s->test;
    bool failed = has_failed(s, c);
    test->ended = s->rounds.ended = true;
    s->rounds.exit_failed = failed;
    test->took += c->exited_at - c->started_at;
    if (failed && test->exit_code == 0) {
        _cleanup_free_ char *verdict = container_verdict(c);
        replace_str(&test->verdict, verdict);
        test->exit_code = c->exit_code;
    }
    console_end_stream(s->ctx->console, s->number);
    if (round_goes_on(s, failed))
        clean(s);
    else
        shard_set_state(s, SHARD_COLLECT);
}

void shard_rounds_changed(struct shard *s, struct container *c)
{
    if (c->stage == CONTAINER_GONE)
        clean_if_done(s);
    else if (c->stage == CONTAINER_EXITED && s->rounds.step == ROUND_LISTING)
        list_ended(s, c);
    else if (c->stage == CONTAINER_EXITED && s->rounds.step == ROUND_RUNNING)
        round_ended(s, c);
}

void shard_rounds_output(struct shard *s, enum output_stream stream, const void *bytes, size_t len)
{
    struct shard_rounds *r = &s->rounds;
    if (r->step == ROUND_LISTING) {
        if (strbuf_add(&r->listed[stream], bytes, len) < 0)
            shard_fail(s, ERROR_CONFIG, "the list of tests is longer than %zu MiB",
                       LIST_TEXT_MAX >> 20);
        return;
    }
    if (r->readers[stream])
        reader_feed(r->readers[stream], bytes, len);
    console_output(s->ctx->console, shard_voice(s), stream, bytes, len);
}

void shard_rounds_stop(struct shard *s)
{
    struct shard_rounds *r = &s->rounds;
    struct division *d = s->ctx->division;
    division_leave(d, &r->ticket);
    if (r->step == ROUND_LISTING && s->state > SHARD_TEST)
        division_unlisted(d);
    if (r->step != ROUND_CLEANING)
        r->step = ROUND_NONE;
}

bool shard_rounds_busy(const struct shard *s)
{
    return s->rounds.empty != NULL;
}

void shard_rounds_cancel(struct shard *s)
{
    shard_rounds_stop(s);
    if (s->rounds.empty)
        s->ctx->engine->ops->cancel(s->ctx->engine, s->rounds.empty);
}

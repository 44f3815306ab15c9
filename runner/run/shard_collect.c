/* SPDX-License-Identifier: Apache-2.0 */
#include "run/shard_collect.h"

#include <string.h>

#include <cleanroom/log.h>

#include "run/shard_create.h"
#include "satellite/satellite.h"

bool shard_has_sinks(const struct shard *s)
{
    for (size_t i = 0; i < s->service_count; i++)
        if (s->services[i].sink && !s->services[i].off)
            return true;
    return false;
}

/* What failed may pass in another world: then that one's report is the shard's. */
void shard_report_once(struct shard *s)
{
    if (s->reported || s->wants_fresh)
        return;
    shard_report(s);
    s->reported = true;
    if (s->failed && s->ctx->on_failed && s->ctx->settings->own.fail_fast && !s->abandoned)
        s->ctx->on_failed(s->ctx->on_failed_data, s);
}

static bool is_to_be_kept(const struct shard *s)
{
    enum keep_mode keep = s->ctx->settings->own.keep;
    if (s->kind != SHARD_TESTS || s->ctx->shell || s->wants_fresh ||
        s->holder.stage != CONTAINER_RUNNING)
        return false;
    return keep == KEEP_ALWAYS || (keep == KEEP_FAILED && (s->failed || error_is_set(&s->error)));
}

static void archive_bytes(void *data, const void *bytes, size_t len)
{
    struct shard *s = data;
    collect_feed(s->collect, bytes, len);
}

static void fetch_program(struct shard *s, engine_done_fn done);
static void end_collect(struct shard *s);
static bool is_fetched(const struct shard *s);

static void archive_ended(void *data, enum engine_outcome outcome, const struct error *err)
{
    struct shard *s = data;
    s->archive = NULL;
    if (s->state != SHARD_COLLECT) {
        shard_teardown_goes_on(s);
        return;
    }
    if (s->reports && outcome == ENGINE_NOT_FOUND)
        outcome = ENGINE_OK; /* not each round writes one */
    if (outcome == ENGINE_OK && s->ctx->plan->program && !s->fetching_program && !is_fetched(s) &&
        !s->reports) {
        fetch_program(s, archive_ended);
        return;
    }
    if (outcome == ENGINE_OK && shard_fetch_reports(s, archive_ended))
        return;
    if (outcome != ENGINE_OK) {
        error_set(&s->collect_error, ERROR_ENGINE, "what the tests left could not be fetched: %s",
                  err && error_is_set(err) ? err->message : "the pod's holder is gone");
        collect_free(TAKE_PTR(s->collect));
    }
    end_collect(s);
}

/* A program of this machine has written to this machine. */
static void fetch_program(struct shard *s, engine_done_fn done)
{
    _cleanup_free_ char *path = shard_path(s, PLAN_COLLECT);
    s->fetching_program = true;
    s->archive = s->ctx->engine->ops->container_archive(s->ctx->engine, s->test.container.name,
                                                        path, context_teardown_deadline(s->ctx),
                                                        archive_bytes, done, s);
}

/* Of a deploy whose result is kept nothing but what was sent counts: it is not a test. */
static void begin_collect(struct shard *s, bool results)
{
    _cleanup_strvec_ struct strvec allowed = STRVEC_INIT;
    /* A later round may write where an earlier one has. */
    _cleanup_free_ char *place = s->rounds.number > 1 ? xasprintf("round-%d/", s->rounds.number)
                                                      : xstrdup("");
    if (results) {
        strvec_pushf(&allowed, "%sxml/", place);
        strvec_pushf(&allowed, "%soutputs/", place);
    }
    for (size_t i = 0; i < s->service_count; i++)
        if (s->services[i].sink)
            strvec_take(&allowed,
                        sink_file(s->services[i].plan->spec.sink, s->services[i].plan->name));
    s->collect = collect_new(s->ctx->results_dir, s->number, &allowed);
}

void shard_fetch_round(struct shard *s, engine_done_fn done)
{
    begin_collect(s, true);
    if (s->ctx->plan->program)
        fetch_program(s, done);
    else
        s->archive = s->ctx->engine->ops->container_archive(
            s->ctx->engine, s->holder.name, PLAN_COLLECT, context_teardown_deadline(s->ctx),
            archive_bytes, done, s);
}

static void report_bytes(void *data, const void *bytes, size_t len)
{
    struct shard *s = data;
    collect_feed(s->reports, bytes, len);
}

/* "/app/build/TEST-*.xml": in "/app/build" what matches "TEST-*.xml". A directory: all its XML. */
static char *split_glob(const char *glob, const char **pattern)
{
    const char *wild = glob + strcspn(glob, "*?["),
               *slash = memrchr(glob, '/', (size_t)(wild - glob));
    size_t len = strlen(glob);
    bool file = len > 4 && strcmp(glob + len - 4, ".xml") == 0;
    if (!*wild && !file) {
        *pattern = "*.xml";
        return xstrdup(glob);
    }
    *pattern = slash ? slash + 1 : glob;
    return slash ? xstrndup(glob, slash == glob ? 1 : (size_t)(slash - glob)) : xstrdup(".");
}

bool shard_fetch_reports(struct shard *s, engine_done_fn done)
{
    const char *glob = s->ctx->settings->own.reports, *pattern;
    if (!glob || s->kind != SHARD_TESTS || s->reports || !s->rounds.untaken ||
        s->test.container.stage < CONTAINER_RUNNING)
        return false;
    _cleanup_free_ char *path = split_glob(glob, &pattern);
    _cleanup_free_ char *place = s->rounds.number > 1
                                     ? xasprintf("round-%d/reports/", s->rounds.number)
                                     : xstrdup("reports/");
    s->reports = collect_new_reports(s->ctx->results_dir, s->number, place, pattern);
    s->archive = s->ctx->engine->ops->container_archive(s->ctx->engine, s->test.container.name,
                                                        path, context_teardown_deadline(s->ctx),
                                                        report_bytes, done, s);
    return true;
}

/* Between rounds everything has been fetched already but what sinks have. */
static bool is_fetched(const struct shard *s)
{
    return s->kind == SHARD_TESTS && s->state == SHARD_COLLECT && !s->rounds.untaken &&
           (s->rounds.count > 0 || s->ctx->plan->program);
}

static void end_collect(struct shard *s)
{
    shard_report_once(s);
    shard_set_state(s, is_to_be_kept(s) ? SHARD_KEPT : SHARD_TEARDOWN);
}

static void fetch_archive(struct shard *s)
{
    loop_timer_disarm(s->ctx->loop, &s->deadline);
    if (is_fetched(s) && !shard_has_sinks(s)) {
        end_collect(s);
        return;
    }
    begin_collect(s, s->kind == SHARD_TESTS && !is_fetched(s));
    if (s->ctx->plan->program && !shard_has_sinks(s)) {
        fetch_program(s, archive_ended);
        return;
    }
    s->archive = s->ctx->engine->ops->container_archive(
        s->ctx->engine, s->holder.name, PLAN_COLLECT, context_teardown_deadline(s->ctx),
        archive_bytes, archive_ended, s);
}

/* What was sent to a sink may not have been read yet when the tests have ended. */
void shard_collect_if_flushed(struct shard *s)
{
    if (s->state == SHARD_COLLECT && s->flushed && !s->flush && !s->archive)
        fetch_archive(s);
}

static void flush_deadline_passed(void *data)
{
    struct shard *s = data;
    log_warning("shard %d: the satellite did not say that everything is written", s->number);
    s->flushed = true;
    shard_collect_if_flushed(s);
}

static void on_flush(void *data, enum engine_outcome outcome, const struct error *err)
{
    (void)err;
    struct shard *s = data;
    s->flush = NULL;
    s->flushed = s->flushed || outcome != ENGINE_OK;
    if (s->state == SHARD_COLLECT)
        shard_collect_if_flushed(s);
    else
        shard_teardown_goes_on(s);
}

void shard_enter_collect(struct shard *s)
{
    nsec_t deadline = context_teardown_deadline(s->ctx);
    if (!shard_has_sinks(s)) {
        fetch_archive(s);
        return;
    }
    loop_timer_arm(s->ctx->loop, &s->deadline, deadline, flush_deadline_passed, s);
    s->flush = s->ctx->engine->ops->container_signal(s->ctx->engine, s->holder.name,
                                                     SATELLITE_FLUSH, deadline, on_flush, s);
}

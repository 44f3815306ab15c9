/* SPDX-License-Identifier: Apache-2.0 */
#include "run/shard_holder.h"

#include <string.h>

#include <cleanroom/log.h>

#include "run/shard_collect.h"
#include "run/shard_create.h"
#include "run/shard_keep.h"
#include "run/shard_phase.h"
#include "run/shard_rounds.h"
#include "run/shard_services.h"
#include "satellite/satellite.h"

#define HOLDER_LINE_MAX 65536

void shard_enter_holder(struct shard *s)
{
    s->started_at = clock_now();
    s->started_wall = clock_wall();
    shard_start_by(s, clock_now() + s->ctx->settings->own.start_timeout);
    for (size_t i = 0; i < s->volume_count; i++)
        volume_create(&s->volumes[i], clock_now() + s->ctx->settings->own.start_timeout);
}

static void come_up(void *data)
{
    struct shard *s = data;
    _cleanup_error_ struct error err = ERROR_INIT;
    if (shard_plan_services(s, &err) < 0)
        shard_stop(s, &err);
    else
        shard_set_state(s, SHARD_HOLDER);
}

void shard_begin(struct shard *s)
{
    gate_queue(s->ctx->pods, &s->ticket, s->number, come_up, s);
}

static void volume_changed(void *data, struct volume *v)
{
    struct shard *s = data;
    if (s->state >= SHARD_TEARDOWN) {
        shard_teardown_goes_on(s);
        return;
    }
    if (v->stage == VOLUME_FAILED) {
        shard_stop(s, &v->error);
        return;
    }

    for (size_t i = 0; i < s->volume_count; i++)
        if (s->volumes[i].stage != VOLUME_READY)
            return;
    if (s->on_step)
        s->on_step(s->data, s, NULL);
    shard_create_holder(s);
}

static void holder_changed(void *data, struct container *c)
{
    struct shard *s = data;
    if (s->state >= SHARD_TEARDOWN) {
        shard_teardown_goes_on(s);
        return;
    }

    _cleanup_free_ char *verdict = NULL;
    switch (c->stage) {
    case CONTAINER_CREATED:
        container_start(c);
        shard_create_services(s);
        break;
    case CONTAINER_QUEUED: /* other shards' starts do not count */
        loop_timer_disarm(s->ctx->loop, &s->deadline);
        break;
    case CONTAINER_STARTING:
        s->start_by = clock_now() + s->ctx->settings->own.start_timeout;
        shard_start_by(s, s->start_by);
        break;
    case CONTAINER_RUNNING:
        shard_set_state(s, SHARD_SERVICES);
        break;
    case CONTAINER_FAILED:
        shard_fail(s, ERROR_ENGINE, "the pod's holder %s", c->error.message);
        break;
    case CONTAINER_EXITED:
        verdict = container_verdict(c);
        shard_fail(s, ERROR_ENGINE, "the pod's holder ended by itself: %s", verdict);
        break;
    default:
        break;
    }
}

/* --- what its satellite says ----------------------------------------------------------------- */

static void create_phases(struct shard *s)
{
    bool tests = s->kind == SHARD_TESTS;
    const struct app_run deploy = {.argv = &s->ctx->plan->deploy_argv};
    const struct app_run serve = {.argv = &s->ctx->plan->test_argv};
    if (s->kind == SHARD_SEED || (tests && s->ctx->plan->deploy == DEPLOY_EACH))
        shard_create_phase(s, &s->deploy, &deploy);
    if (tests && (s->ctx->shell || s->ctx->settings->serve))
        shard_create_phase(s, &s->test, &serve);
    else if (tests)
        shard_rounds_prepare(s);
}

/* A line of the satellite's; see satellite.h. */
static void holder_said(struct shard *s, const char *line)
{
    log_debug("shard %d satellite: %s", s->number, line);
    if (strcmp(line, SATELLITE_UP) == 0) {
        s->up = true;
        create_phases(s);
        shard_fill_volumes(s);
        shard_go_on_if_ready(s);
        return;
    }

    if (strcmp(line, SATELLITE_FLUSHED) == 0) {
        s->flushed = true;
        shard_collect_if_flushed(s);
        return;
    }

    if (strcmp(line, SATELLITE_EMPTIED) == 0) {
        shard_rounds_emptied(s);
        return;
    }

    if (strncmp(line, SATELLITE_READY " " SHARD_SITE " ", sizeof(SATELLITE_READY SHARD_SITE) + 1) ==
        0) {
        shard_say_site(s, "serves at");
        return;
    }

    shard_service_said(s, line);
}

static void holder_output(void *data, enum output_stream stream, const void *bytes, size_t len)
{
    struct shard *s = data;
    if (strbuf_add(&s->holder_line, bytes, len) < 0) {
        shard_fail(s, ERROR_INTERNAL, "the satellite talks nonsense");
        return;
    }

    char *end;
    while (s->state < SHARD_TEARDOWN &&
           (end = memchr(s->holder_line.buf, '\n', s->holder_line.len))) {
        *end = '\0';
        if (stream == OUTPUT_STDOUT)
            holder_said(s, s->holder_line.buf);
        else
            log_warning("shard %d: satellite: %s", s->number, s->holder_line.buf);
        strbuf_consume(&s->holder_line, (size_t)(end + 1 - s->holder_line.buf));
    }
}

static void init_volumes(struct shard *s)
{
    static const char *const usual[SHARD_VOLUMES] = {PLAN_STORAGE, PLAN_STATIC, PLAN_SCRATCH};
    static const char *const common[SHARD_VOLUMES] = {PLAN_COMMONS};
    const char *const *targets = s->kind == SHARD_COMMONS ? common : usual;

    for (size_t i = 0; i < SHARD_VOLUMES && targets[i]; i++, s->volume_count++)
        volume_init(&s->volumes[i], s->ctx, s->number, targets[i], volume_changed, s);
}

void shard_init_holder(struct shard *s)
{
    strbuf_init(&s->holder_line, HOLDER_LINE_MAX);
    init_volumes(s);
    container_init(&s->holder, s->ctx, s->number, "holder", holder_changed, s);
    s->holder.on_output = holder_output;
    if (context_needs_network(s->ctx))
        s->holder.gate = s->ctx->holders;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "run/shard_services.h"

#include <string.h>

#include "run/reach.h"
#include "run/shard_create.h"
#include "run/shard_keep.h"
#include "satellite/satellite.h"

#define SERVICE_TAIL 16384

static void start_deadline_passed(void *data)
{
    struct shard *s = data;
    char limit[16];
    clock_human(s->ctx->settings->own.start_timeout, limit, sizeof(limit));
    for (size_t i = 0; s->state == SHARD_SERVICES && i < s->service_count; i++) {
        const struct shard_service *service = &s->services[i];
        const struct shard_service *server = shard_server(s, i);
        const char *reason = server->ready ? "its namespace was not made"
                                           : shard_service_reason(server);
        if (service->ready || service->off)
            continue;
        shard_fail(s, ERROR_TIMEOUT,
                   "service '%s' was not ready within %s (%s); --start-timeout TIME "
                   "gives it longer",
                   service->plan->name, limit, reason ? reason : "it has not been started");
        return;
    }
    shard_fail(s, ERROR_TIMEOUT,
               "the pod was not up within %s; --start-timeout TIME gives it longer", limit);
}

void shard_start_by(struct shard *s, nsec_t deadline)
{
    loop_timer_arm(s->ctx->loop, &s->deadline, deadline, start_deadline_passed, s);
}

void shard_create_services(struct shard *s)
{
    for (size_t i = 0; i < s->service_count && s->state < SHARD_TEARDOWN; i++)
        if (shard_service_runs(&s->services[i]))
            shard_create_service(s, &s->services[i]);
}

static void say_ready(struct shard *s)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    char took[16];
    for (size_t i = 0; i < s->service_count; i++) {
        const struct shard_service *service = &s->services[i];
        if (service->sink || service->plan->spec.idle)
            continue;
        clock_human(service->ready_at - service->container.started_at, took, sizeof(took));
        strbuf_addf(&text, "%s%s %s", text.len ? ", " : "", service->plan->name,
                    service->shared                ? "of all shards"
                    : service->plan->spec.external ? "elsewhere, not clean"
                                                   : took);
    }
    clock_human(clock_now() - s->started_at, took, sizeof(took));
    console_say(s->ctx->console, shard_voice(s), "ready in %s%s%s%s", took, text.len ? " (" : "",
                text.buf, text.len ? ")" : "");
}

static enum shard_state after_services(const struct shard *s)
{
    if (s->kind == SHARD_BAKE)
        return SHARD_KEEP;
    if (s->kind == SHARD_COMMONS)
        return SHARD_SHARE;
    if (s->kind == SHARD_SEED || s->ctx->plan->deploy == DEPLOY_EACH)
        return SHARD_DEPLOY;
    return SHARD_TEST;
}

/* Does the app find what was published for it, or who asks for its site? */
static bool is_in_reach(struct shard *s)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct publish ports[PUBLISH_MAX];
    if (s->kind != SHARD_TESTS || !context_publishes(s->ctx) ||
        reach_try(s->ctx->engine, ports, shard_publish(s, ports), &err) == 0)
        return true;
    shard_fail(s, err.kind, "%s", err.message);
    return false;
}

void shard_go_on_if_ready(struct shard *s)
{
    if (s->state != SHARD_SERVICES || !s->up)
        return;
    for (size_t i = 0; i < s->service_count; i++)
        if (!s->services[i].ready && !s->services[i].off)
            return;
    if (shard_is_filling(s) || !is_in_reach(s))
        return;
    if (s->kind == SHARD_TESTS)
        say_ready(s);
    shard_set_state(s, after_services(s));
}

void shard_enter_services(struct shard *s)
{
    shard_start_by(s, s->start_by);
    for (size_t i = 0; i < s->service_count; i++)
        if (shard_service_runs(&s->services[i]))
            container_start(&s->services[i].container);
    shard_go_on_if_ready(s); /* the satellite may have been faster than the engine's answer */
}

static struct shard_service *find_service(struct shard *s, const char *name, size_t len)
{
    for (size_t i = 0; i < s->service_count; i++)
        if (strlen(s->services[i].plan->name) == len &&
            strncmp(s->services[i].plan->name, name, len) == 0)
            return &s->services[i];
    return NULL;
}

static void service_is_ready(struct shard *s, struct shard_service *service)
{
    service->ready = true;
    service->ready_at = clock_now();
    _cleanup_free_ char *subject = context_subject(s->number, service->plan->name);
    journal_state(s->ctx->journal, subject, "ready", NULL);
    if (s->on_step)
        s->on_step(s->data, s, service);
    shard_go_on_if_ready(s);
}

void shard_has_shared(struct shard *s, size_t service)
{
    if (s->state < SHARD_TEARDOWN)
        service_is_ready(s, &s->services[service]);
}

const struct shard_service *shard_server(const struct shard *s, size_t service)
{
    return s->services[service].shared ? &s->ctx->commons->services[service]
                                       : &s->services[service];
}

void shard_service_said(struct shard *s, const char *line)
{
    size_t word = strcspn(line, " ");
    const char *name = line + word + strspn(line + word, " ");
    size_t len = strcspn(name, " ");
    struct shard_service *service = find_service(s, name, len);
    if (!service)
        return;
    if (strncmp(line, SATELLITE_READY, word) == 0)
        service_is_ready(s, service);
    else if (strncmp(line, SATELLITE_WAITING, word) == 0)
        replace_str(&service->reason, name + len + strspn(name + len, " "));
    else if (strncmp(line, SATELLITE_REFUSED, word) == 0 && service->sink)
        shard_fail(s, ERROR_SERVICE, "service '%s' cannot be served: %s", service->plan->name,
                   name + len + strspn(name + len, " "));
    else if (strncmp(line, SATELLITE_REFUSED, word) == 0)
        shard_fail(s, ERROR_SERVICE, "service '%s' (%s) does not take its password: %s",
                   service->plan->name, service->plan->spec.image,
                   name + len + strspn(name + len, " "));
}

static void sign_changed(void *data, struct sign *sign)
{
    struct shard *s = data;
    if (s->state >= SHARD_TEARDOWN)
        shard_teardown_goes_on(s);
    else if (sign->seen)
        service_is_ready(s, container_of(sign, struct shard_service, sign));
}

/* Before it was ready, its end is the shard's. Afterwards tests may have stopped it on purpose:
   the shard goes on, and shard_report() judges by the exit code. */
static void service_ended(struct shard *s, struct shard_service *service)
{
    _cleanup_free_ char *verdict = container_verdict(&service->container);
    if (!service->ready) {
        shard_fail(s, ERROR_SERVICE, "service '%s' (%s) ended before it was ready: %s",
                   service->plan->name, service->plan->spec.image, verdict);
        return;
    }
    console_say(s->ctx->console, shard_voice(s), "service %s ended: %s", service->plan->name,
                verdict);
}

static void service_changed(void *data, struct container *c)
{
    struct shard *s = data;
    struct shard_service *service = container_of(c, struct shard_service, container);
    if (s->state >= SHARD_TEARDOWN)
        shard_teardown_goes_on(s);
    else if (s->state == SHARD_KEEP)
        shard_keep_changed(s, service);
    else if (c->stage == CONTAINER_FAILED)
        shard_fail(s, c->error.kind == ERROR_ENGINE ? ERROR_SERVICE : c->error.kind,
                   "service '%s' (%s) %s", service->plan->name, service->plan->spec.image,
                   c->error.message);
    else if (c->stage == CONTAINER_EXITED)
        service_ended(s, service);
    else if (c->stage == CONTAINER_RUNNING && service->sign.container)
        sign_begin(&service->sign);
}

static bool service_has_no_image(void *data, struct container *c)
{
    struct shard *s = data;
    struct shard_service *service = container_of(c, struct shard_service, container);
    if (s->state >= SHARD_TEARDOWN || !shard_plan_anew(s, service))
        return false;
    console_say(s->ctx->console, shard_voice(s),
                "%s: somebody has removed its snapshot, it is initialised anew",
                service->plan->name);
    shard_create_service_again(s, service);
    return true;
}

/* Somebody else's, not to be baked, or not to be shared. */
static bool is_off(const struct shard *s, const struct plan_service *plan)
{
    size_t i = (size_t)(plan - s->plan->services.items);
    if (s->kind == SHARD_BAKE)
        return s->ctx->snapshots[i].state != SNAPSHOT_MISSING;
    if (s->kind == SHARD_COMMONS)
        return !plan->shared;
    return plan->spec.external;
}

static void init_service(struct shard *s, struct shard_service *service,
                         const struct plan_service *plan)
{
    service->plan = plan;
    service->log_fd = -1;
    strbuf_init(&service->files, 0);
    capture_init(&service->log, 0, SERVICE_TAIL);
    container_init(&service->container, s->ctx, s->number, plan->name, service_changed, s);
    service->container.on_no_image = service_has_no_image;
    service->container.sink[OUTPUT_STDOUT] = service->container.sink[OUTPUT_STDERR] = &service->log;
    service->off = is_off(s, plan);
    service->sink = plan->spec.sink != SINK_NONE;
    service->shared = s->kind == SHARD_TESTS && plan->shared;
    if (!shard_service_runs(service))
        return;
    _cleanup_free_ char *file = xasprintf("%s.log", plan->name);
    service->log_fd = shard_open_log(s, file);
    service->container.log_fd = service->log_fd;
    if (sign_is_needed(&plan->spec))
        sign_init(&service->sign, &service->container, &plan->spec, sign_changed, s);
}

void shard_init_services(struct shard *s)
{
    s->service_count = s->plan->services.len;
    s->services = xcalloc(s->service_count, sizeof(*s->services));
    for (size_t i = 0; i < s->service_count; i++)
        init_service(s, &s->services[i], &s->plan->services.items[i]);
}

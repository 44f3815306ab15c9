/* SPDX-License-Identifier: Apache-2.0 */
#include "run/shard.h"

#include <assert.h>

#include <cleanroom/log.h>

#include "run/reach.h"
#include "run/shard_create.h"
#include "run/shard_keep.h"
#include "run/shell.h"
#include "satellite/satellite.h"

/* Of each app stream: what the report keeps. The whole is in app.log. */
#define APP_HEAD        32768
#define APP_TAIL        98304
#define SERVICE_TAIL    16384
#define HOLDER_LINE_MAX 65536

static const char *const state_names[] = {
    [SHARD_QUEUED] = "queued",   [SHARD_HOLDER] = "holder", [SHARD_SERVICES] = "services",
    [SHARD_DEPLOY] = "deploy",   [SHARD_KEEP] = "keep",     [SHARD_TEST] = "test",
    [SHARD_COLLECT] = "collect", [SHARD_KEPT] = "kept",     [SHARD_TEARDOWN] = "teardown",
    [SHARD_DONE] = "done",
};

static void archive_if_flushed(struct shard *s);
static void enter_holder(struct shard *s);
static void enter_services(struct shard *s);
static void enter_deploy(struct shard *s);
static void enter_keep(struct shard *s);
static void enter_test(struct shard *s);
static void enter_collect(struct shard *s);
static void enter_kept(struct shard *s);
static void enter_teardown(struct shard *s);
static void enter_done(struct shard *s);

/* The one writer of state. */
void shard_set_state(struct shard *s, enum shard_state state)
{
    static void (*const enter[])(struct shard *) = {
        [SHARD_HOLDER] = enter_holder, [SHARD_SERVICES] = enter_services,
        [SHARD_DEPLOY] = enter_deploy, [SHARD_KEEP] = enter_keep,
        [SHARD_TEST] = enter_test,     [SHARD_COLLECT] = enter_collect,
        [SHARD_KEPT] = enter_kept,     [SHARD_TEARDOWN] = enter_teardown,
        [SHARD_DONE] = enter_done,
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

static bool has_sinks(const struct shard *s)
{
    for (size_t i = 0; i < s->service_count; i++)
        if (s->services[i].sink && !s->services[i].off)
            return true;
    return false;
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

/* --- HOLDER ---------------------------------------------------------------------------------- */

static void start_deadline_passed(void *data)
{
    struct shard *s = data;
    char limit[16];
    clock_human(s->ctx->settings->own.start_timeout, limit, sizeof(limit));
    for (size_t i = 0; s->state == SHARD_SERVICES && i < s->service_count; i++) {
        const struct shard_service *service = &s->services[i];
        const char *reason = shard_service_reason(service);
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

static void enter_holder(struct shard *s)
{
    s->started_at = clock_now();
    s->started_wall = clock_wall();
    loop_timer_arm(s->ctx->loop, &s->deadline, clock_now() + s->ctx->settings->own.start_timeout,
                   start_deadline_passed, s);
    for (size_t i = 0; i < SHARD_VOLUMES; i++)
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

    for (size_t i = 0; i < SHARD_VOLUMES; i++)
        if (s->volumes[i].stage != VOLUME_READY)
            return;
    shard_create_holder(s);
}

static void create_services(struct shard *s)
{
    for (size_t i = 0; i < s->service_count && s->state < SHARD_TEARDOWN; i++)
        if (shard_service_runs(&s->services[i]))
            shard_create_service(s, &s->services[i]);
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
        create_services(s);
        break;
    case CONTAINER_QUEUED: /* other shards' starts do not count */
        loop_timer_disarm(s->ctx->loop, &s->deadline);
        break;
    case CONTAINER_STARTING:
        s->start_by = clock_now() + s->ctx->settings->own.start_timeout;
        loop_timer_arm(s->ctx->loop, &s->deadline, s->start_by, start_deadline_passed, s);
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

/* --- SERVICES -------------------------------------------------------------------------------- */

static void create_phases(struct shard *s)
{
    bool tests = s->kind == SHARD_TESTS;
    if (s->kind == SHARD_SEED || (tests && s->ctx->plan->deploy == DEPLOY_EACH))
        shard_create_phase(s, &s->deploy, &s->ctx->plan->deploy_argv);
    if (tests)
        shard_create_phase(s, &s->test, &s->ctx->plan->test_argv);
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
                    service->plan->spec.external ? "elsewhere, not clean" : took);
    }
    clock_human(clock_now() - s->started_at, took, sizeof(took));
    console_say(s->ctx->console, shard_voice(s), "ready in %s%s%s%s", took, text.len ? " (" : "",
                text.buf, text.len ? ")" : "");
}

static enum shard_state after_services(const struct shard *s)
{
    if (s->kind == SHARD_BAKE)
        return SHARD_KEEP;
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

static void enter_services(struct shard *s)
{
    loop_timer_arm(s->ctx->loop, &s->deadline, s->start_by, start_deadline_passed, s);
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
    shard_go_on_if_ready(s);
}

static void say_site(struct shard *s, const char *verb)
{
    console_say(s->ctx->console, 0, "%s http://%s/ (Ctrl-C ends it)", verb, s->ctx->plan->site);
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
        archive_if_flushed(s);
        return;
    }

    if (strncmp(line, SATELLITE_READY " " SHARD_SITE " ", sizeof(SATELLITE_READY SHARD_SITE) + 1) ==
        0) {
        say_site(s, "serves at");
        return;
    }

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

/* --- DEPLOY, TEST ---------------------------------------------------------------------------- */

static struct shard_phase *current_phase(struct shard *s)
{
    return s->state == SHARD_DEPLOY ? &s->deploy : &s->test;
}

/* What a failed deploy has sent may say why. */
static enum shard_state after_failed_deploy(const struct shard *s)
{
    bool kept = s->ctx->settings->own.keep != KEEP_NO && !s->ctx->shell;
    return s->kind == SHARD_TESTS && (has_sinks(s) || kept) ? SHARD_COLLECT : SHARD_TEARDOWN;
}

static void phase_deadline_passed(void *data)
{
    struct shard *s = data;
    struct shard_phase *phase = current_phase(s);
    const struct cleanroom_settings *own = &s->ctx->settings->own;
    char limit[16];
    clock_human(phase == &s->deploy ? own->deploy_timeout : own->test_timeout, limit,
                sizeof(limit));
    phase->timed_out = true;
    error_set(&s->error, ERROR_TIMEOUT,
              "%s did not end within %s; --%s-timeout TIME gives it longer", phase->name, limit,
              phase->name);
    shard_set_state(s, phase == &s->deploy ? after_failed_deploy(s) : SHARD_COLLECT);
}

static void begin_phase(struct shard *s, struct shard_phase *phase, nsec_t timeout)
{
    phase->begun = true;
    loop_timer_arm(s->ctx->loop, &s->deadline, clock_now() + timeout, phase_deadline_passed, s);
    container_start(&phase->container);
}

static void enter_deploy(struct shard *s)
{
    begin_phase(s, &s->deploy, s->ctx->settings->own.deploy_timeout);
}

static void keep_deadline_passed(void *data)
{
    struct shard *s = data;
    shard_fail(s, ERROR_TIMEOUT, "its services were not stopped and kept in time");
}

static void enter_keep(struct shard *s)
{
    loop_timer_arm(s->ctx->loop, &s->deadline,
                   clock_now() + 2 * s->ctx->settings->own.start_timeout, keep_deadline_passed, s);
    shard_enter_keep(s);
}

static void enter_test(struct shard *s)
{
    const struct settings *settings = s->ctx->settings;
    if (!s->ctx->shell && !settings->serve) {
        begin_phase(s, &s->test, settings->own.test_timeout);
        return;
    }
    s->test.begun = true; /* and has all the time it wants */
    container_start(&s->test.container);
    if (settings->serve && s->ctx->plan->program)
        say_site(s, "to be served at"); /* it listens by itself, we cannot know when */
}

static void phase_ended(struct shard *s, struct shard_phase *phase)
{
    const struct container *c = &phase->container;
    _cleanup_free_ char *verdict = container_verdict(c);
    char took[16];
    clock_human(c->exited_at - c->started_at, took, sizeof(took));
    console_end_stream(s->ctx->console, shard_voice(s));
    bool served = phase == &s->test && s->ctx->settings->serve;
    console_say(s->ctx->console, shard_voice(s), "%s %s in %s%s%s", phase->name,
                c->exit_code ? "failed"
                : served     ? "ended"
                             : "passed",
                took, c->exit_code ? ": " : "", c->exit_code ? verdict : "");
    if (c->exit_code != 0)
        s->failed = true;

    if (phase == &s->test)
        shard_set_state(s, SHARD_COLLECT);
    else if (s->failed)
        shard_set_state(s, after_failed_deploy(s));
    else
        shard_set_state(s, s->kind == SHARD_SEED ? SHARD_KEEP : SHARD_TEST);
}

static bool is_shell(const struct shard *s, const struct shard_phase *phase)
{
    return s->ctx->shell && phase == &s->test;
}

static void phase_changed(void *data, struct container *c)
{
    struct shard *s = data;
    struct shard_phase *phase = container_of(c, struct shard_phase, container);
    if (s->state >= SHARD_TEARDOWN)
        shard_teardown_goes_on(s);
    else if (c->stage == CONTAINER_FAILED)
        shard_fail(s, c->error.kind, "%s %s", phase->name, c->error.message);
    else if (c->stage == CONTAINER_RUNNING && is_shell(s, phase))
        shell_begin(s->ctx->shell, c);
    else if (c->stage == CONTAINER_EXITED && is_shell(s, phase))
        shard_set_state(s, SHARD_TEARDOWN);
    else if (c->stage == CONTAINER_EXITED && s->state < SHARD_COLLECT)
        phase_ended(s, phase);
}

/* on_output's data is the container's: the shard, as in on_change. */
static void phase_output(void *data, enum output_stream stream, const void *bytes, size_t len)
{
    struct shard *s = data;
    if (s->ctx->shell && s->state == SHARD_TEST)
        shell_output(s->ctx->shell, stream, bytes, len);
    else
        console_output(s->ctx->console, shard_voice(s), stream, bytes, len);
}

/* --- KEPT ------------------------------------------------------------------------------------ */

static void report_once(struct shard *s)
{
    if (!s->reported)
        shard_report(s);
    s->reported = true;
}

static bool is_to_be_kept(const struct shard *s)
{
    enum keep_mode keep = s->ctx->settings->own.keep;
    if (s->kind != SHARD_TESTS || s->ctx->shell || s->holder.stage != CONTAINER_RUNNING)
        return false;
    return keep == KEEP_ALWAYS || (keep == KEEP_FAILED && (s->failed || error_is_set(&s->error)));
}

/* The app's own have had their time; who comes gets a new one. */
static void enter_kept(struct shard *s)
{
    nsec_t deadline = context_teardown_deadline(s->ctx);
    s->kept = true;
    console_end_stream(s->ctx->console, shard_voice(s));
    container_remove(&s->test.container, deadline);
    container_remove(&s->deploy.container, deadline);
    s->on_done(s->data, s);
}

static void inside_output(void *data, enum output_stream stream, const void *bytes, size_t len)
{
    struct shard *s = data;
    if (s->visitor)
        shell_output(s->visitor, stream, bytes, len);
}

static void inside_changed(void *data, struct container *c)
{
    struct shard *s = data;
    if (s->visitor && c->stage == CONTAINER_RUNNING)
        shell_begin(s->visitor, c);
    else if (s->visitor && c->stage >= CONTAINER_EXITED)
        shell_end(s->visitor);
    if (s->on_inside)
        s->on_inside(s->inside_data, c);
    if (c->stage == CONTAINER_GONE)
        s->visitor = NULL;
    if (s->state >= SHARD_TEARDOWN)
        shard_teardown_goes_on(s);
    else if (c->stage == CONTAINER_EXITED || c->stage == CONTAINER_FAILED)
        shard_put_out(s);
}

static void init_inside(struct shard *s)
{
    container_init(&s->inside, s->ctx, s->number, "shell", inside_changed, s);
    s->inside.on_output = inside_output;
}

bool shard_let_in(struct shard *s, struct shell *visitor,
                  void (*changed)(void *data, struct container *c), void *data)
{
    if (s->state != SHARD_KEPT || s->visitor)
        return false;
    container_deinit(&s->inside);
    init_inside(s);
    s->visitor = visitor;
    s->on_inside = changed;
    s->inside_data = data;
    shard_create_inside(s, visitor);
    container_start(&s->inside);
    return true;
}

void shard_put_out(struct shard *s)
{
    if (s->visitor)
        container_remove(&s->inside, context_teardown_deadline(s->ctx));
}

/* --- COLLECT --------------------------------------------------------------------------------- */

static void archive_bytes(void *data, const void *bytes, size_t len)
{
    struct shard *s = data;
    collect_feed(s->collect, bytes, len);
}

static void fetch_program(struct shard *s);

static void archive_ended(void *data, enum engine_outcome outcome, const struct error *err)
{
    struct shard *s = data;
    s->archive = NULL;
    if (s->state != SHARD_COLLECT) {
        shard_teardown_goes_on(s);
        return;
    }
    if (outcome == ENGINE_OK && s->ctx->plan->program && !s->fetching_program) {
        fetch_program(s);
        return;
    }
    if (outcome != ENGINE_OK) {
        error_set(&s->collect_error, ERROR_ENGINE, "what the tests left could not be fetched: %s",
                  err && error_is_set(err) ? err->message : "the pod's holder is gone");
        collect_free(TAKE_PTR(s->collect));
    }
    report_once(s);
    shard_set_state(s, is_to_be_kept(s) ? SHARD_KEPT : SHARD_TEARDOWN);
}

/* A program of this machine has written to this machine. */
static void fetch_program(struct shard *s)
{
    _cleanup_free_ char *path = xasprintf("%s%s", s->plan->scratch,
                                          &PLAN_COLLECT[strlen(PLAN_SCRATCH)]);
    s->fetching_program = true;
    s->archive = s->ctx->engine->ops->container_archive(s->ctx->engine, s->test.container.name,
                                                        path, context_teardown_deadline(s->ctx),
                                                        archive_bytes, archive_ended, s);
}

static void fetch_archive(struct shard *s)
{
    loop_timer_disarm(s->ctx->loop, &s->deadline);
    s->collect = collect_new(s->ctx->results_dir, s->number);
    if (s->ctx->plan->program && !has_sinks(s)) {
        fetch_program(s);
        return;
    }
    s->archive = s->ctx->engine->ops->container_archive(
        s->ctx->engine, s->holder.name, PLAN_COLLECT, context_teardown_deadline(s->ctx),
        archive_bytes, archive_ended, s);
}

/* What was sent to a sink may not have been read yet when the tests have ended. */
static void archive_if_flushed(struct shard *s)
{
    if (s->state == SHARD_COLLECT && s->flushed && !s->flush && !s->archive)
        fetch_archive(s);
}

static void flush_deadline_passed(void *data)
{
    struct shard *s = data;
    log_warning("shard %d: the satellite did not say that everything is written", s->number);
    s->flushed = true;
    archive_if_flushed(s);
}

static void on_flush(void *data, enum engine_outcome outcome, const struct error *err)
{
    (void)err;
    struct shard *s = data;
    s->flush = NULL;
    s->flushed = s->flushed || outcome != ENGINE_OK;
    if (s->state == SHARD_COLLECT)
        archive_if_flushed(s);
    else
        shard_teardown_goes_on(s);
}

static void enter_collect(struct shard *s)
{
    nsec_t deadline = context_teardown_deadline(s->ctx);
    if (!has_sinks(s)) {
        fetch_archive(s);
        return;
    }
    loop_timer_arm(s->ctx->loop, &s->deadline, deadline, flush_deadline_passed, s);
    s->flush = s->ctx->engine->ops->container_signal(s->ctx->engine, s->holder.name,
                                                     SATELLITE_FLUSH, deadline, on_flush, s);
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
    if (s->ctx->shell && s->kind == SHARD_TESTS)
        shell_end(s->ctx->shell);
    if (s->archive)
        s->ctx->engine->ops->cancel(s->ctx->engine, s->archive);
    if (s->flush)
        s->ctx->engine->ops->cancel(s->ctx->engine, s->flush);
    shard_keep_cancel(s);
    for (size_t i = 0; i < s->service_count; i++)
        sign_cancel(&s->services[i].sign);
    console_end_stream(s->ctx->console, shard_voice(s));
    report_once(s);
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
    int busy = s->archive || s->flush || shard_keep_busy(s) ? 1 : 0;
    for (size_t i = 0; i < s->service_count; i++)
        busy += sign_is_busy(&s->services[i].sign);
    each_container(s, count_busy, &busy);
    if (s->state != SHARD_TEARDOWN || busy)
        return;

    bool gone = true;
    for (size_t i = 0; i < SHARD_VOLUMES; i++)
        volume_remove(&s->volumes[i], s->teardown_by);
    for (size_t i = 0; i < SHARD_VOLUMES; i++)
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
    for (size_t i = 0; i < SHARD_VOLUMES; i++)
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

/* -1 when the disk is full: the run goes on without that log. */
static int open_log(struct shard *s, const char *name)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    int fd = results_create(s->ctx->results_dir, s->number, name, &err);
    if (fd < 0)
        log_warning("%s", err.message);
    return fd;
}

/* Somebody else's, or not to be baked. */
static bool is_off(const struct shard *s, const struct plan_service *plan)
{
    size_t i = (size_t)(plan - s->plan->services.items);
    if (s->kind == SHARD_BAKE)
        return s->ctx->snapshots[i].state != SNAPSHOT_MISSING;
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
    if (!shard_service_runs(service))
        return;
    _cleanup_free_ char *file = xasprintf("%s.log", plan->name);
    service->log_fd = open_log(s, file);
    service->container.log_fd = service->log_fd;
    if (sign_is_needed(&plan->spec))
        sign_init(&service->sign, &service->container, &plan->spec, sign_changed, s);
}

static void init_phase(struct shard *s, struct shard_phase *phase, const char *name)
{
    phase->name = name;
    container_init(&phase->container, s->ctx, s->number, name, phase_changed, s);
    phase->container.on_output = phase_output;
    phase->container.log_fd = s->log_fd;
    phase->container.sink[OUTPUT_STDOUT] = &s->out;
    phase->container.sink[OUTPUT_STDERR] = &s->err;
}

void shard_init(struct shard *s, struct run_context *ctx, int number,
                void (*on_done)(void *data, struct shard *s), void *data)
{
    static const char *const targets[SHARD_VOLUMES] = {PLAN_STORAGE, PLAN_STATIC, PLAN_SCRATCH};

    *s = (struct shard){.ctx = ctx,
                        .kind = number > 0               ? SHARD_TESTS
                                : number == CONTEXT_SEED ? SHARD_SEED
                                                         : SHARD_BAKE,
                        .plan = number > 0 ? &ctx->plan->shards.items[number - 1]
                                           : &ctx->plan->seed,
                        .number = number,
                        .archive_fd = -1,
                        .on_done = on_done,
                        .data = data};
    strbuf_init(&s->holder_line, HOLDER_LINE_MAX);
    capture_init(&s->out, APP_HEAD, APP_TAIL);
    capture_init(&s->err, APP_HEAD, APP_TAIL);
    s->log_fd = open_log(s, "app.log");
    for (size_t i = 0; i < SHARD_VOLUMES; i++)
        volume_init(&s->volumes[i], ctx, number, targets[i], volume_changed, s);
    container_init(&s->holder, ctx, number, "holder", holder_changed, s);
    s->holder.on_output = holder_output;
    if (context_needs_network(ctx))
        s->holder.gate = ctx->holders;

    s->service_count = s->plan->services.len;
    s->services = xcalloc(s->service_count, sizeof(*s->services));
    for (size_t i = 0; i < s->service_count; i++)
        init_service(s, &s->services[i], &s->plan->services.items[i]);
    init_inside(s);
    init_phase(s, &s->deploy, "deploy");
    init_phase(s, &s->test, ctx->shell ? "shell" : ctx->settings->serve ? "serve" : "test");
}

static void deinit_container(struct container *c, void *arg)
{
    (void)arg;
    container_deinit(c);
}

void shard_deinit(struct shard *s)
{
    for (size_t i = 0; i < s->service_count; i++)
        sign_deinit(&s->services[i].sign); /* names its container */
    each_container(s, deinit_container, NULL);
    for (size_t i = 0; i < SHARD_VOLUMES; i++)
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
    capture_deinit(&s->out);
    capture_deinit(&s->err);
    strbuf_deinit(&s->holder_line);
    collect_free(s->collect);
    error_clear(&s->error);
    error_clear(&s->collect_error);
    loop_timer_disarm(s->ctx->loop, &s->deadline);
    if (s->log_fd >= 0)
        close(s->log_fd);
    if (s->archive_fd >= 0)
        close(s->archive_fd);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "run/shard.h"

#include <assert.h>

#include <cleanroom/log.h>

#include "run/reach.h"
#include "run/shard_collect.h"
#include "run/shard_create.h"
#include "run/shard_inside.h"
#include "run/shard_keep.h"
#include "run/shard_phase.h"
#include "run/shard_rounds.h"
#include "run/shell.h"
#include "satellite/satellite.h"

/* Of each app stream: what the report keeps. The whole is in app.log. */
#define APP_HEAD        32768
#define APP_TAIL        98304
#define SERVICE_TAIL    16384
#define HOLDER_LINE_MAX 65536

static const char *const state_names[] = {
    [SHARD_QUEUED] = "queued",     [SHARD_HOLDER] = "holder",   [SHARD_SERVICES] = "services",
    [SHARD_DEPLOY] = "deploy",     [SHARD_KEEP] = "keep",       [SHARD_SHARE] = "share",
    [SHARD_TEST] = "test",         [SHARD_COLLECT] = "collect", [SHARD_KEPT] = "kept",
    [SHARD_TEARDOWN] = "teardown", [SHARD_DONE] = "done",
};

static void enter_holder(struct shard *s);
static void enter_services(struct shard *s);
static void enter_share(struct shard *s);
static void enter_teardown(struct shard *s);
static void enter_done(struct shard *s);

/* The one writer of state. */
void shard_set_state(struct shard *s, enum shard_state state)
{
    static void (*const enter[])(struct shard *) = {
        [SHARD_HOLDER] = enter_holder,         [SHARD_SERVICES] = enter_services,
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

/* --- HOLDER ---------------------------------------------------------------------------------- */

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

static void enter_holder(struct shard *s)
{
    s->started_at = clock_now();
    s->started_wall = clock_wall();
    loop_timer_arm(s->ctx->loop, &s->deadline, clock_now() + s->ctx->settings->own.start_timeout,
                   start_deadline_passed, s);
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
    const struct app_run deploy = {.argv = &s->ctx->plan->deploy_argv};
    const struct app_run serve = {.argv = &s->ctx->plan->test_argv};
    if (s->kind == SHARD_SEED || (tests && s->ctx->plan->deploy == DEPLOY_EACH))
        shard_create_phase(s, &s->deploy, &deploy);
    if (tests && (s->ctx->shell || s->ctx->settings->serve))
        shard_create_phase(s, &s->test, &serve);
    else if (tests)
        shard_rounds_prepare(s);
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

/* -1 when the disk is full: the run goes on without that log. */
static int open_log(struct shard *s, const char *name)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    int fd = results_create(s->ctx->results_dir, s->number, name, &err);
    if (fd < 0)
        log_warning("%s", err.message);
    return fd;
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
    service->log_fd = open_log(s, file);
    service->container.log_fd = service->log_fd;
    if (sign_is_needed(&plan->spec))
        sign_init(&service->sign, &service->container, &plan->spec, sign_changed, s);
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

static void init_volumes(struct shard *s)
{
    static const char *const usual[SHARD_VOLUMES] = {PLAN_STORAGE, PLAN_STATIC, PLAN_SCRATCH};
    static const char *const common[SHARD_VOLUMES] = {PLAN_COMMONS};
    const char *const *targets = s->kind == SHARD_COMMONS ? common : usual;

    for (size_t i = 0; i < SHARD_VOLUMES && targets[i]; i++, s->volume_count++)
        volume_init(&s->volumes[i], s->ctx, s->number, targets[i], volume_changed, s);
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
    strbuf_init(&s->holder_line, HOLDER_LINE_MAX);
    capture_init(&s->out, APP_HEAD, APP_TAIL);
    capture_init(&s->err, APP_HEAD, APP_TAIL);
    s->log_fd = s->kind == SHARD_COMMONS ? -1 : open_log(s, "app.log");
    init_volumes(s);
    container_init(&s->holder, ctx, number, "holder", holder_changed, s);
    s->holder.on_output = holder_output;
    if (context_needs_network(ctx))
        s->holder.gate = ctx->holders;

    s->service_count = s->plan->services.len;
    s->services = xcalloc(s->service_count, sizeof(*s->services));
    for (size_t i = 0; i < s->service_count; i++)
        init_service(s, &s->services[i], &s->plan->services.items[i]);
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

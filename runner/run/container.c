/* SPDX-License-Identifier: Apache-2.0 */
#include "run/container.h"

#include <assert.h>
#include <errno.h>

#include <cleanroom/log.h>

/* How long output may stay open after the process has ended. */
#define DRAIN_TIMEOUT (10 * NSEC_PER_SEC)
/* An engine that is being restarted is asked again for some seconds. */
#define LOOKS_MAX    20
#define LOOK_PAUSE   (250 * NSEC_PER_MSEC)
#define ATTACH_PAUSE (20 * NSEC_PER_MSEC)

static const char *const stage_names[] = {
    [CONTAINER_PLANNED] = "planned",   [CONTAINER_CREATING] = "creating",
    [CONTAINER_CREATED] = "created",   [CONTAINER_QUEUED] = "queued",
    [CONTAINER_STARTING] = "starting", [CONTAINER_RUNNING] = "running",
    [CONTAINER_EXITED] = "exited",     [CONTAINER_FAILED] = "failed",
    [CONTAINER_REMOVING] = "removing", [CONTAINER_GONE] = "gone",
};

static void tell_journal(struct container *c)
{
    _cleanup_free_ char *subject = context_subject(c->shard, c->role);
    _cleanup_free_ char *detail = NULL;
    if (c->stage == CONTAINER_EXITED)
        detail = container_verdict(c);
    else if (c->stage == CONTAINER_FAILED)
        detail = xstrdup(c->error.message);
    log_debug("%s: %s", subject, stage_names[c->stage]);
    journal_state(c->ctx->journal, subject, stage_names[c->stage], detail);
}

/* The one writer of stage. */
static void container_set_stage(struct container *c, enum container_stage stage)
{
    assert(stage > c->stage);
    bool never_was = c->stage == CONTAINER_PLANNED && stage == CONTAINER_GONE;
    c->stage = stage;
    if (!never_was)
        tell_journal(c);
    c->on_change(c->data, c);
}

void container_init(struct container *c, struct run_context *ctx, int shard, const char *role,
                    container_change_fn on_change, void *data)
{
    *c = (struct container){.ctx = ctx,
                            .gate = ctx->starts,
                            .shard = shard,
                            .role = role,
                            .on_change = on_change,
                            .data = data,
                            .log_fd = -1};
    c->name = context_name(ctx, shard, role);
}

void container_deinit(struct container *c)
{
    loop_timer_disarm(c->ctx->loop, &c->drain);
    removal_deinit(&c->removal);
    error_clear(&c->error);
    free(c->name);
    *c = (struct container){.log_fd = -1};
}

static void removed(void *data)
{
    struct container *c = data;
    c->left = c->removal.left;
    if (c->attach) {
        /* Its end completes the removal: nothing may still name us. */
        c->ctx->engine->ops->cancel(c->ctx->engine, c->attach);
        return;
    }
    container_set_stage(c, CONTAINER_GONE);
}

/* Begins the removal once nothing is in flight that could still make or start the container. */
static bool remove_if_wanted(struct container *c)
{
    if (!c->remove_wanted || c->stage == CONTAINER_REMOVING || c->op || c->inspect)
        return false;
    loop_timer_disarm(c->ctx->loop, &c->drain);
    gate_leave(c->gate, &c->ticket);
    container_set_stage(c, CONTAINER_REMOVING);
    removal_begin(&c->removal, c->ctx->engine, c->ctx->ledger, OBJECT_CONTAINER, c->name,
                  c->remove_deadline, removed, c);
    return true;
}

static void fail(struct container *c, const struct error *err, const char *what)
{
    error_clear(&c->error);
    if (err && error_is_set(err))
        error_copy(&c->error, err);
    else
        error_set(&c->error, ERROR_ENGINE, "the container is gone");
    error_wrap(&c->error, "%s", what);
    container_set_stage(c, CONTAINER_FAILED);
    remove_if_wanted(c);
}

static void exit_if_complete(struct container *c)
{
    if (c->stage != CONTAINER_RUNNING || !c->exit_known || !c->stream_ended)
        return;
    loop_timer_disarm(c->ctx->loop, &c->drain);
    container_set_stage(c, CONTAINER_EXITED);
}

static void drained(void *data)
{
    struct container *c = data;
    log_warning("shard %d %s: its output did not end with it", c->shard, c->role);
    c->stream_ended = true;
    exit_if_complete(c);
}

static void look_again(void *data)
{
    container_recheck(data);
}

/* Not a word about the container, or that it still runs: what woke us up may have been early. */
static void look_later(struct container *c, const struct error *err)
{
    if (++c->looks <= LOOKS_MAX)
        loop_timer_arm(c->ctx->loop, &c->drain, clock_now() + LOOK_PAUSE, look_again, c);
    else
        fail(c, err, "could not be looked at");
}

static void on_state(void *data, enum engine_outcome outcome, const struct container_state *state,
                     const struct error *err)
{
    struct container *c = data;
    c->inspect = NULL;
    if (remove_if_wanted(c) || c->stage != CONTAINER_RUNNING)
        return;
    if (outcome == ENGINE_NOT_FOUND) {
        fail(c, NULL, "disappeared");
        return;
    }
    if (outcome != ENGINE_OK) {
        look_later(c, err);
        return;
    }
    c->looks = 0;
    if (state->running) {
        if (c->look_again)
            container_recheck(c);
        return; /* another event will come */
    }

    c->exit_known = true;
    if (!c->exited_at)
        c->exited_at = clock_now();
    c->exit_code = state->exit_code;
    c->oom_killed = state->oom_killed;
    if (!c->stream_ended)
        loop_timer_arm(c->ctx->loop, &c->drain, clock_now() + DRAIN_TIMEOUT, drained, c);
    exit_if_complete(c);
}

/* Events and the end of the stream are wake-ups: what the engine tells when asked is the truth. */
void container_recheck(struct container *c)
{
    if (c->stage != CONTAINER_RUNNING || c->exit_known)
        return;
    c->look_again = c->inspect != NULL;
    if (c->inspect)
        return;
    c->inspect = c->ctx->engine->ops->container_inspect(
        c->ctx->engine, c->name, context_teardown_deadline(c->ctx), on_state, c);
}

void container_died(struct container *c)
{
    c->died = true;
    if (!c->exited_at)
        c->exited_at = clock_now();
    container_recheck(c);
}

static void on_started(void *data, enum engine_outcome outcome, const struct error *err)
{
    struct container *c = data;
    c->op = NULL;
    gate_leave(c->gate, &c->ticket);
    if (remove_if_wanted(c))
        return;
    if (outcome != ENGINE_OK && outcome != ENGINE_CONFLICT) {
        fail(c, err, "could not be started");
        return;
    }

    container_set_stage(c, CONTAINER_RUNNING);
    if (c->died || c->stream_ended)
        container_recheck(c);
}

static void begin_start(void *data)
{
    struct container *c = data;
    c->started_at = clock_now();
    container_set_stage(c, CONTAINER_STARTING);
    c->op = c->ctx->engine->ops->container_start(c->ctx->engine, c->name, NSEC_INFINITY, on_started,
                                                 c);
}

static void queue_start(struct container *c)
{
    container_set_stage(c, CONTAINER_QUEUED);
    gate_queue(c->gate, &c->ticket, c->shard, begin_start, c);
}

void container_start(struct container *c)
{
    if (c->start_wanted)
        return;
    c->start_wanted = true;
    if (c->stage == CONTAINER_CREATED)
        queue_start(c);
}

static void on_attached(void *data)
{
    struct container *c = data;
    if (c->stage != CONTAINER_CREATING)
        return;
    container_set_stage(c, CONTAINER_CREATED);
    if (c->stage == CONTAINER_CREATED && c->start_wanted)
        queue_start(c);
}

static void write_log(struct container *c, const void *bytes, size_t len)
{
    const char *p = bytes;
    while (len && c->log_fd >= 0) {
        ssize_t n = write(c->log_fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            log_warning("shard %d %s: could not write its log: %s", c->shard, c->role,
                        strerror(errno));
            c->log_fd = -1; /* borrowed: its owner closes it */
            return;
        }
        p += n;
        len -= (size_t)n;
    }
}

static void on_bytes(void *data, enum output_stream stream, const void *bytes, size_t len)
{
    struct container *c = data;
    write_log(c, bytes, len);
    if (c->sink[stream])
        capture_add(c->sink[stream], bytes, len);
    if (c->on_output)
        c->on_output(c->output_data ? c->output_data : c->data, stream, bytes, len);
}

static void attach(void *data);

static void on_attach_end(void *data, enum engine_outcome outcome, const struct error *err)
{
    struct container *c = data;
    c->attach = NULL;
    c->stream_ended = true;
    if (c->stage == CONTAINER_REMOVING) {
        if (!c->removal.op && c->removal.timer.at == 0)
            container_set_stage(c, CONTAINER_GONE);
        return;
    }
    if (c->stage == CONTAINER_CREATING && outcome == ENGINE_CONFLICT) {
        loop_timer_arm(c->ctx->loop, &c->drain, clock_now() + ATTACH_PAUSE, attach, c);
        return;
    }
    if (c->stage == CONTAINER_CREATING) {
        fail(c, outcome == ENGINE_OK ? NULL : err, "its output could not be attached");
        return;
    }
    if (c->stage == CONTAINER_RUNNING && outcome != ENGINE_OK) {
        fail(c, err, "its output broke off");
        return;
    }
    container_recheck(c);
    exit_if_complete(c);
}

/* Podman attaches only to what it could start, so not before the pod's holder runs: it is asked
   again until then, or until the shard's deadline removes the container. */
static void attach(void *data)
{
    struct container *c = data;
    c->stream_ended = false;
    c->attach = c->ctx->engine->ops->container_attach(c->ctx->engine, c->name, on_attached,
                                                      on_bytes, on_attach_end, c);
}

static void on_files(void *data, enum engine_outcome outcome, const struct error *err)
{
    struct container *c = data;
    c->op = NULL;
    if (remove_if_wanted(c))
        return;
    if (outcome != ENGINE_OK)
        fail(c, err, "could not be given its files");
    else
        attach(c);
}

static void put_files(struct container *c)
{
    c->op = c->ctx->engine->ops->container_extract(c->ctx->engine, c->name, "/", c->files->buf,
                                                   c->files->len, NSEC_INFINITY, on_files, c);
}

static void fail_without_image(struct container *c)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    error_set(&err, ERROR_ENGINE, "somebody has removed its image meanwhile");
    fail(c, &err, "could not be created");
}

static void on_created(void *data, enum engine_outcome outcome, const struct error *err)
{
    struct container *c = data;
    c->op = NULL;
    ledger_answered(c->ctx->ledger, outcome, err);
    if (remove_if_wanted(c))
        return;
    if (outcome == ENGINE_NOT_FOUND) {
        if (!c->on_no_image || !c->on_no_image(c->data, c))
            fail_without_image(c);
    } else if (outcome != ENGINE_OK) {
        fail(c, err, "could not be created");
    } else if (c->files) {
        put_files(c);
    } else {
        attach(c);
    }
}

void container_create(struct container *c, struct container_spec *spec)
{
    ledger_enter(c->ctx->ledger, OBJECT_CONTAINER, c->name);
    container_set_stage(c, CONTAINER_CREATING);
    container_create_again(c, spec);
}

void container_create_again(struct container *c, struct container_spec *spec)
{
    spec->name = c->name;
    spec->labels = context_labels(c->ctx, c->shard, c->role);
    c->op = c->ctx->engine->ops->container_create(c->ctx->engine, spec, NSEC_INFINITY, on_created,
                                                  c);
}

/* Waiting for an answer must leave time for the removal. */
static nsec_t half_way(nsec_t deadline)
{
    nsec_t now = clock_now();
    return now + (deadline - now) / 2;
}

/* The engine has not answered a create, start or inspect in time: stop waiting for it. */
static void stop_waiting(void *data)
{
    struct container *c = data;
    if (c->op)
        c->ctx->engine->ops->cancel(c->ctx->engine, c->op);
    if (c->inspect)
        c->ctx->engine->ops->cancel(c->ctx->engine, c->inspect);
}

void container_remove(struct container *c, nsec_t deadline)
{
    if (c->remove_wanted)
        return;
    c->remove_wanted = true;
    c->remove_deadline = deadline;
    if (c->stage == CONTAINER_PLANNED)
        container_set_stage(c, CONTAINER_GONE);
    else if (!remove_if_wanted(c))
        loop_timer_arm(c->ctx->loop, &c->drain, half_way(deadline), stop_waiting, c);
}

char *container_verdict(const struct container *c)
{
    const char *oom = c->oom_killed ? ": out of memory" : "";
    int sig = c->exit_code - 128;
    const char *name = sig > 0 && sig < NSIG ? sigabbrev_np(sig) : NULL;
    if (name)
        return xasprintf("exit code %d (SIG%s)%s", c->exit_code, name, oom);
    return xasprintf("exit code %d%s", c->exit_code, oom);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "run/listen.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <cleanroom/log.h>

#include "run/life.h"
#include "run/outcome.h"

#define EVENTS_RETRIES 20
#define EVENTS_PAUSE   (250 * NSEC_PER_MSEC)

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

int run_block_signals(void)
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

void run_listen(struct run *r)
{
    loop_watch(r->ctx.loop, r->signal_fd, POLLIN, on_signal, r);
    if (r->janitor.gone >= 0)
        loop_watch(r->ctx.loop, r->janitor.gone, POLLIN, on_janitor_gone, r);
    open_events(r);
}

void run_unlisten(struct run *r)
{
    loop_unwatch(r->ctx.loop, r->signal_fd);
    loop_unwatch(r->ctx.loop, r->janitor.gone);
}

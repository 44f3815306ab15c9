/* SPDX-License-Identifier: Apache-2.0 */
#include "run/shard_phase.h"

#include "run/shard_collect.h"
#include "run/shard_rounds.h"
#include "run/shell.h"

void shard_say_site(struct shard *s, const char *verb)
{
    console_say(s->ctx->console, 0, "%s http://%s/ (Ctrl-C ends it)", verb, s->ctx->plan->site);
}

static struct shard_phase *current_phase(struct shard *s)
{
    return s->state == SHARD_DEPLOY ? &s->deploy : &s->test;
}

/* What a failed deploy has sent may say why. */
static enum shard_state after_failed_deploy(const struct shard *s)
{
    bool kept = s->ctx->settings->own.keep != KEEP_NO && !s->ctx->shell;
    return shard_has_sinks(s) || (s->kind == SHARD_TESTS && kept) ? SHARD_COLLECT : SHARD_TEARDOWN;
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
              phase == &s->deploy ? "deploy" : "test");
    if (s->rounds.step == ROUND_LISTING)
        division_end(s->ctx->division, "the tests were not listed in time");
    shard_set_state(s, phase == &s->deploy ? after_failed_deploy(s) : SHARD_COLLECT);
}

void shard_start_phase(struct shard *s, struct shard_phase *phase, nsec_t timeout)
{
    phase->begun = true;
    loop_timer_arm(s->ctx->loop, &s->deadline, clock_now() + timeout, phase_deadline_passed, s);
    container_start(&phase->container);
}

void shard_enter_deploy(struct shard *s)
{
    shard_start_phase(s, &s->deploy, s->ctx->settings->own.deploy_timeout);
}

static void not_up_in_time(void *data)
{
    struct shard *s = data;
    char limit[16];
    clock_human(s->ctx->settings->own.start_timeout, limit, sizeof(limit));
    shard_fail(s, ERROR_TIMEOUT, "%s was not up within %s; --start-timeout TIME gives it longer",
               s->test.name, limit);
}

static bool is_unlimited(const struct shard *s, const struct shard_phase *phase)
{
    return phase == &s->test && (s->ctx->shell || s->ctx->settings->serve);
}

void shard_enter_test(struct shard *s)
{
    const struct settings *settings = s->ctx->settings;
    if (!is_unlimited(s, &s->test)) {
        shard_rounds_begin(s);
        return;
    }
    s->test.begun = true; /* and has all the time it wants, once it runs */
    loop_timer_arm(s->ctx->loop, &s->deadline, clock_now() + settings->own.start_timeout,
                   not_up_in_time, s);
    container_start(&s->test.container);
    if (settings->serve && s->ctx->plan->program)
        shard_say_site(s, "to be served at"); /* it listens by itself, we cannot know when */
}

void shard_say_phase(struct shard *s, const struct shard_phase *phase)
{
    char took[16];
    clock_human(phase->took, took, sizeof(took));
    bool served = phase == &s->test && s->ctx->settings->serve;
    console_say(s->ctx->console, shard_voice(s), "%s %s in %s%s%s", phase->name,
                phase->exit_code ? "failed"
                : served         ? "ended"
                                 : "passed",
                took, phase->exit_code ? ": " : "", phase->exit_code ? phase->verdict : "");
}

static void phase_ended(struct shard *s, struct shard_phase *phase)
{
    const struct container *c = &phase->container;
    phase->ended = true;
    phase->took = c->exited_at - c->started_at;
    phase->exit_code = c->exit_code;
    free(phase->verdict);
    phase->verdict = container_verdict(c);
    console_end_stream(s->ctx->console, shard_voice(s));
    if (phase == &s->deploy || s->ctx->settings->serve)
        shard_say_phase(s, phase);
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

static void go_on_for_ever(struct shard *s, struct container *c)
{
    loop_timer_disarm(s->ctx->loop, &s->deadline);
    if (s->ctx->shell)
        shell_begin(s->ctx->shell, c);
}

static void phase_changed(void *data, struct container *c)
{
    struct shard *s = data;
    struct shard_phase *phase = container_of(c, struct shard_phase, container);
    if (s->state >= SHARD_TEARDOWN)
        shard_teardown_goes_on(s);
    else if (c->stage == CONTAINER_FAILED)
        shard_fail(s, c->error.kind, "%s %s", phase->name, c->error.message);
    else if (c->stage == CONTAINER_RUNNING && is_unlimited(s, phase))
        go_on_for_ever(s, c);
    else if (c->stage == CONTAINER_EXITED && is_shell(s, phase))
        shard_set_state(s, SHARD_TEARDOWN);
    else if (c->stage == CONTAINER_GONE && is_shell(s, phase))
        shard_fail(s, ERROR_ENGINE, "the shell could not be given its input");
    else if (phase == &s->test && s->state == SHARD_TEST && !is_unlimited(s, phase))
        shard_rounds_changed(s, c);
    else if (c->stage == CONTAINER_EXITED && s->state < SHARD_COLLECT)
        phase_ended(s, phase);
}

/* on_output's data is the container's: the shard, as in on_change. */
static void phase_output(void *data, enum output_stream stream, const void *bytes, size_t len)
{
    struct shard *s = data;
    if (s->ctx->shell && s->state == SHARD_TEST)
        shell_output(s->ctx->shell, stream, bytes, len);
    else if (s->state == SHARD_TEST && !s->ctx->settings->serve)
        shard_rounds_output(s, stream, bytes, len);
    else
        console_output(s->ctx->console, shard_voice(s), stream, bytes, len);
}

void shard_init_phase(struct shard *s, struct shard_phase *phase, const char *name)
{
    *phase = (struct shard_phase){0};
    shard_init_phase_container(s, phase, name);
}

void shard_init_phase_container(struct shard *s, struct shard_phase *phase, const char *name)
{
    phase->name = name;
    container_init(&phase->container, s->ctx, s->number, name, phase_changed, s);
    phase->container.on_output = phase_output;
    phase->container.log_fd = s->log_fd;
    phase->container.sink[OUTPUT_STDOUT] = &s->out;
    phase->container.sink[OUTPUT_STDERR] = &s->err;
}

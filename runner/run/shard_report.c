/* SPDX-License-Identifier: Apache-2.0 */
/* From what happened in a shard to the cases of its suite. */
#include "run/shard.h"

#include <string.h>

#include "run/replay.h"
#include "run/round_results.h"
#include "run/shard_phase.h"

#define LOG_LINES 40

static void set_message(struct result_case *c, const char *message)
{
    replace_str(&c->message, message);
}

/* The class of the cases that are not the app's own; release with free(). */
static char *class_of(const struct shard *s)
{
    return s->number > 0 ? xasprintf(RESULT_PHASE_CLASS, s->number) : xstrdup("cleanroom");
}

static void report_service(struct shard *s, struct result_suite *suite, size_t i)
{
    const struct shard_service *sv = &s->services[i], *server = shard_server(s, i);
    const struct container *c = &server->container;
    _cleanup_free_ char *classname = class_of(s);
    _cleanup_free_ char *name = xasprintf("service %s", sv->plan->name);
    nsec_t begun = sv->sink ? s->holder.started_at : c->started_at;
    const char *reason = shard_service_reason(server);
    nsec_t until = sv->ready ? sv->ready_at : clock_now();
    nsec_t took = begun ? until - begun : 0;
    _cleanup_free_ char *verdict = container_verdict(c), *why = NULL;
    enum case_status status = CASE_ERROR;

    if (c->stage == CONTAINER_FAILED)
        why = xstrdup(c->error.message);
    else if (c->stage == CONTAINER_EXITED && !server->ready)
        why = xasprintf("ended before it was ready: %s", verdict);
    else if (c->stage == CONTAINER_EXITED && c->exit_code != 0)
        why = xasprintf("ended while the app used it: %s", verdict);
    else if (sv->ready)
        status = CASE_PASSED;
    else if (s->error.kind == ERROR_TIMEOUT && s->started_at)
        why = xasprintf("not ready in time: %s", reason ? reason : "it was not started");
    else {
        status = CASE_SKIPPED;
        why = xstrdup("not waited for");
    }

    struct result_case *result = result_add_case(suite, classname, name, status, took);
    set_message(result, why);
    if (status != CASE_ERROR)
        return;
    result->type = xstrdup("ServiceError");
    result->text = capture_last_lines(&server->log, LOG_LINES, server->log.tail_max);
    if (!error_is_set(&s->error))
        error_set(&s->error, ERROR_SERVICE, "service '%s' (%s) %s", sv->plan->name,
                  sv->sink ? "cleanroom's own" : sv->plan->spec.image, why);
}

/* Its part of the tests was empty. */
static bool has_no_part(const struct shard *s, const struct shard_phase *phase)
{
    return phase == &s->test && !phase->begun && s->state >= SHARD_COLLECT &&
           !error_is_set(&s->error) && !s->failed;
}

static void report_phase(struct shard *s, struct result_suite *suite,
                         const struct shard_phase *phase)
{
    const struct container *c = &phase->container;
    _cleanup_free_ char *classname = class_of(s);
    bool exited = phase->ended && !phase->timed_out;
    nsec_t began = c->started_at && !c->exited_at ? clock_now() - c->started_at : 0;
    nsec_t took = phase->took + began;
    _cleanup_free_ char *why = NULL;
    enum case_status status = CASE_PASSED;

    if (exited && phase->exit_code != 0) {
        status = CASE_FAILED;
        why = xstrdup(phase->verdict);
    } else if (s->abandoned && (phase == &s->test || !exited)) {
        status = CASE_SKIPPED;
        why = xstrdup(s->abandoned);
    } else if (has_no_part(s, phase)) {
        status = CASE_SKIPPED;
        why = xstrdup(s->ctx->division->why ? s->ctx->division->why
                                            : "there was no test for this shard");
    } else if (!exited && phase == &s->test && s->ctx->settings->serve && phase->begun &&
               !error_is_set(&s->error)) {
        why = xstrdup("ended by Ctrl-C");
    } else if (!exited && (phase->begun || c->stage == CONTAINER_FAILED)) {
        status = CASE_ERROR;
        why = xstrdup(error_is_set(&s->error) ? s->error.message : "did not end");
    } else if (!exited) {
        status = CASE_SKIPPED;
        why = s->failed ? xstrdup("not run: deploy failed")
                        : xasprintf("not run: %s", s->error.message);
    }

    struct result_case *result = result_add_case(suite, classname, phase->name, status, took);
    set_message(result, why);
    result->fresh = s->worlds > 0;
    if (status == CASE_PASSED && phase == &s->test && s->rounds.recovered)
        *vec_push(&result->reruns) = (struct result_rerun){.status = CASE_FAILED,
                                                           .message = xstrdup(s->rounds.recovered)};
    if (status != CASE_FAILED && status != CASE_ERROR)
        return;
    result->type = xstrdup(phase->timed_out ? "Timeout" : "ExitCode");
    result->text = capture_last_lines(s->err.total ? &s->err : &s->out, LOG_LINES, 16384);
}

/* Results that are not complete are no results. */
static void report_uncollected(struct shard *s, struct result_suite *suite)
{
    if (!error_is_set(&s->collect_error))
        return;
    _cleanup_free_ char *classname = class_of(s);
    struct result_case *result = result_add_case(suite, classname, "collect", CASE_ERROR, 0);
    set_message(result, s->collect_error.message);
    result->type = xstrdup("CollectError");
    if (!error_is_set(&s->error))
        error_copy(&s->error, &s->collect_error);
}

static bool has_bad_case(const struct result_suite *suite)
{
    for (size_t i = 0; i < suite->cases.len; i++)
        if (suite->cases.items[i].status == CASE_ERROR)
            return true;
    return false;
}

/* What is no single service's or phase's fault is the pod's, unless it never came to that. */
static void report_pod(struct shard *s, struct result_suite *suite)
{
    if (!s->started_at || !error_is_set(&s->error) || has_bad_case(suite))
        return;
    _cleanup_free_ char *classname = class_of(s);
    nsec_t took = s->started_at ? clock_now() - s->started_at : 0;
    struct result_case *result = result_add_case(suite, classname, "pod", CASE_ERROR, took);
    set_message(result, s->error.message);
    result->type = xstrdup("PodError");
}

/* From what the service was started. */
static void report_origin(struct shard *s, struct result_suite *suite, size_t i)
{
    const char *name = s->services[i].plan->name;
    const struct deploy *deploy = s->kind == SHARD_TESTS ? s->ctx->deploy : NULL;
    _cleanup_free_ char *words = NULL;
    if (deploy && deploy->images[i])
        words = deploy_words(deploy);
    else if (shard_server(s, i)->anew)
        words = xstrdup("from zero: its snapshot was removed meanwhile");
    else
        words = snapshot_words(&s->ctx->snapshots[i]);
    strvec_pushf(&suite->properties, "snapshot.%s=%s%s", name,
                 deploy && deploy->images[i] ? "deploy " : "", words);
}

/* Whether it is the shard's own. */
static void report_isolation(const struct plan_service *p, struct result_suite *suite)
{
    if (p->shared)
        strvec_pushf(&suite->properties,
                     "isolation.%s=" ISOLATION_NAMESPACE ": one for all shards, %s", p->name,
                     p->provider->namespaces);
    else
        strvec_pushf(&suite->properties, "isolation.%s=" ISOLATION_SHARD, p->name);
}

static void report_facts(struct shard *s, struct result_suite *suite)
{
    strvec_pushf(&suite->properties, "cleanroom.run=%s", s->ctx->plan->run_id);
    if (s->kind == SHARD_TESTS) {
        strvec_pushf(&suite->properties, "cleanroom.shard=%d/%zu", s->number,
                     s->ctx->plan->shards.len);
        strvec_pushf(&suite->properties, "cleanroom.acknowledged=%s",
                     s->acknowledged ? "yes" : "no");
    }
    for (size_t i = 0; i < s->service_count; i++) {
        const struct plan_service *p = s->services[i].plan;
        if (p->spec.idle) {
            strvec_pushf(&suite->properties, "service.%s=idle, shards have a network", p->name);
            continue;
        }
        if (p->spec.sink != SINK_NONE) {
            strvec_pushf(&suite->properties, "service.%s=served by cleanroom itself", p->name);
            continue;
        }
        if (p->spec.external) {
            strvec_pushf(&suite->properties, "service.%s=external, not clean", p->name);
            continue;
        }
        const struct image_info *image = context_image(s->ctx, p->spec.image);
        strvec_pushf(&suite->properties, "service.%s=%s %s", p->name, p->spec.image,
                     image->digest ? image->digest
                     : image->id   ? image->id
                                   : "");
        report_isolation(p, suite);
        report_origin(s, suite, i);
    }
}

static void say_what_was_refused(struct shard *s, const struct result_suite *suite,
                                 const char *service)
{
    _cleanup_free_ char *file = sink_file(SINK_PROXY, service);
    const char *refused = strvec_getenv(&suite->properties, file);
    char directory[RESULTS_NAME];
    results_name(s->number, directory);
    if (refused && strcmp(refused, "0 lines") != 0)
        console_say(s->ctx->console, shard_voice(s), "requests that found no way out: %s/%s, %s",
                    directory, file, refused);
}

/* A report that names failures outweighs an exit code that denies them. */
static void judge_tests(struct shard *s)
{
    struct shard_phase *test = &s->test;
    size_t bad = result_suite_bad(&s->rounds.found);
    if (test->ended && test->exit_code == 0 && bad > 0) {
        test->exit_code = 1;
        free(test->verdict);
        test->verdict = xasprintf("exit code 0, but its report names %zu failed tests", bad);
    }
    if (test->exit_code)
        s->failed = true;
    if (test->ended && !s->ctx->settings->serve && strcmp(test->name, "test") == 0)
        shard_say_phase(s, test);
}

/* The app's own cases. */
static void report_found(struct shard *s, struct result_suite *suite)
{
    struct result_suite *found = &s->rounds.found;
    for (size_t i = 0; i < found->cases.len; i++)
        *vec_push(&suite->cases) = found->cases.items[i];
    found->cases.len = 0;
    strvec_append(&suite->properties, &found->properties);
    for (size_t i = 0; i < s->service_count; i++)
        if (s->services[i].plan->spec.sink == SINK_PROXY)
            say_what_was_refused(s, suite, s->services[i].plan->name);
}

/* NULL: nobody wants to know. */
static struct result_suite *suite_of(struct shard *s)
{
    struct result *r = s->ctx->result;
    if (s->kind == SHARD_BAKE || s->kind == SHARD_COMMONS)
        return NULL;
    return s->number > 0 ? &r->suites.items[s->number - 1 - s->ctx->plan->first_shard]
                         : result_add_suite(r, 0, (int)s->ctx->plan->shards.len);
}

void shard_report(struct shard *s)
{
    struct result_suite *suite = suite_of(s);
    if (!suite)
        return;
    suite->started_wall = s->first_started_wall ? s->first_started_wall
                          : s->started_wall     ? s->started_wall
                                                : clock_wall();
    suite->duration = s->started_at ? clock_wall() - suite->started_wall : 0;

    if (s->collect || s->reports || s->rounds.untaken)
        round_results_take(s);
    if (s->kind == SHARD_TESTS)
        judge_tests(s);
    for (size_t i = 0; i < s->service_count; i++)
        if (!s->services[i].off)
            report_service(s, suite, i);
    if (s->kind == SHARD_SEED || s->ctx->plan->deploy == DEPLOY_EACH)
        report_phase(s, suite, &s->deploy);
    if (s->kind == SHARD_TESTS)
        report_phase(s, suite, &s->test);
    report_found(s, suite);
    if (s->kind == SHARD_TESTS) {
        replay_note_shard(s);
        suite->replay = s->rounds.number ? replay_command(s) : NULL;
    }
    report_uncollected(s, suite);
    report_pod(s, suite);
    report_facts(s, suite);

    /* The phases may still write until they are removed; the report ends here. */
    suite->out = s->out;
    suite->err = s->err;
    capture_init(&s->out, 0, 0);
    capture_init(&s->err, 0, 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "run/shard_rounds.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <cleanroom/log.h>

#include "base/file.h"
#include "config/shardvars.h"
#include "report/directory.h"
#include "report/replace.h"
#include "run/files.h"
#include "run/shard_collect.h"
#include "run/shard_create.h"
#include "run/shard_phase.h"
#include "satellite/satellite.h"

/* In the app's container; readable by whoever it runs as. */
#define TESTS_FILE "/.cleanroom-tests"
#define LOG_LINES  40

static struct division *division_of(const struct shard *s)
{
    return s->ctx->division;
}

static const struct cleanroom_settings *own_of(const struct shard *s)
{
    return &s->ctx->settings->own;
}

void shard_rounds_init(struct shard_rounds *r)
{
    *r = (struct shard_rounds){.pass = 1, .said = -1};
    strbuf_init(&r->files, 0);
    for (int i = OUTPUT_STDOUT; i <= OUTPUT_STDERR; i++)
        strbuf_init(&r->listed[i], LIST_TEXT_MAX);
}

static void free_readers(struct shard_rounds *r)
{
    for (size_t i = 0; i < ARRAY_SIZE(r->readers); i++)
        reader_free(TAKE_PTR(r->readers[i]));
}

static void suite_clear(struct result_suite *suite)
{
    result_suite_truncate(suite, 0);
    vec_deinit(&suite->cases);
    strvec_deinit(&suite->properties);
}

void shard_rounds_deinit(struct shard *s)
{
    struct shard_rounds *r = &s->rounds;
    division_leave(division_of(s), &r->ticket);
    free_readers(r);
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
    suite_clear(&r->found);
}

/* --- which tests ------------------------------------------------------------------------------ */

static bool is_bad(const struct shard *s)
{
    return s->rounds.unexplained || result_suite_bad(&s->rounds.found) > 0;
}

static bool may_retry(const struct shard *s)
{
    return s->rounds.tries < own_of(s)->retries && !s->abandoned;
}

static bool wants_another_pass(const struct shard *s)
{
    const struct cleanroom_settings *own = own_of(s);
    const struct shard_rounds *r = &s->rounds;
    if (r->parts.len == 0 || s->abandoned || (own->until_fail && is_bad(s)))
        return false;
    return r->pass < own->repeat || (own->until_fail && own->repeat == 1);
}

/* What failed, by name; all of the shard's where names do not tell. */
static void gather_failed(struct shard *s)
{
    struct shard_rounds *r = &s->rounds;
    part_deinit(&r->failed);
    r->failed = (struct part){0};
    if (division_failed(division_of(s), &r->found, &r->failed.names) && !r->unexplained)
        return;
    strvec_deinit(&r->failed.names);
    r->failed.whole = r->parts.len > 0 && r->parts.items[0].whole;
    for (size_t i = 0; i < r->parts.len; i++)
        strvec_append(&r->failed.names, &r->parts.items[i].names);
}

static void say_retry(struct shard *s)
{
    const struct shard_rounds *r = &s->rounds;
    size_t bad = result_suite_bad(&r->found);
    _cleanup_free_ char *what = bad ? xasprintf("%zu failed test%s", bad, bad == 1 ? "" : "s")
                                    : xstrdup("the failed tests");
    console_say(s->ctx->console, s->number, "%s: try %d of %lld%s", what, r->tries + 1,
                (long long)own_of(s)->retries + 1, s->worlds ? ", in a fresh world" : "");
}

static void set_part(struct shard_rounds *r, enum round_kind kind, const struct part *part)
{
    part_deinit(&r->part);
    r->part = (struct part){0};
    part_copy(&r->part, part);
    r->kind = kind;
}

static bool choose_retry(struct shard *s)
{
    struct shard_rounds *r = &s->rounds;
    r->tries++;
    say_retry(s);
    set_part(r, ROUND_RETRY, &r->failed);
    return true;
}

static bool choose_new(struct shard *s)
{
    struct shard_rounds *r = &s->rounds;
    struct part part;
    if (r->pass > 1 || s->abandoned || (own_of(s)->fail_fast && is_bad(s)))
        return false;
    if (!division_next(division_of(s), s->number, &part))
        return false;
    set_part(r, ROUND_PART, &part);
    *vec_push(&r->parts) = part;
    return true;
}

/* False: there is no further round in this world. */
static bool choose(struct shard *s)
{
    struct shard_rounds *r = &s->rounds;
    if (s->worlds > 0 && r->count == 0)
        return choose_retry(s);
    if (choose_new(s))
        return true;
    if (r->repeated >= r->parts.len || r->pass == 1) {
        if (wants_another_pass(s)) {
            r->pass++;
            r->repeated = 0;
        } else {
            r->repeated = r->parts.len;
        }
    }
    if (r->repeated < r->parts.len) {
        set_part(r, ROUND_REPEAT, &r->parts.items[r->repeated++]);
        return true;
    }
    if (!is_bad(s) || !may_retry(s))
        return false;
    gather_failed(s);
    if (r->tries == 0)
        return choose_retry(s);
    s->wants_fresh = true;
    return false;
}

/* --- a round ---------------------------------------------------------------------------------- */

static const char *scratch_of(const struct shard *s)
{
    return s->plan->scratch ? s->plan->scratch : PLAN_SCRATCH;
}

static char *below_scratch(const struct shard *s, const char *path)
{
    return xasprintf("%s%s", scratch_of(s), path + strlen(PLAN_SCRATCH));
}

/* Where the runner of a preset writes its report. */
static char *report_path(const struct shard *s)
{
    const struct preset *p = division_of(s)->method.preset;
    return below_scratch(s, p && p->report_is_directory ? PLAN_XML_DIR : PLAN_XML_DIR "/test.xml");
}

static int write_tests_file(const struct shard *s, const char *path, const char *text,
                            struct error *err)
{
    if (file_make_dirs(s->plan->scratch, 0700) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "no directory '%s'", s->plan->scratch);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                                  0600);
    if (fd < 0 || file_write_all(fd, text, strlen(text)) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot write '%s'", path);
    return 0;
}

/* The file with the names of the tests. */
static int put_tests_file(struct shard *s, const char *path, struct error *err)
{
    struct shard_rounds *r = &s->rounds;
    _cleanup_free_ char *text = division_file(division_of(s), &r->part);
    strvec_setenv(&r->env, "CLEANROOM_TESTS_FILE", path);
    if (s->ctx->plan->program)
        return write_tests_file(s, path, text, err);
    _cleanup_strvec_ struct strvec files = STRVEC_INIT;
    strvec_push(&files, path);
    strvec_push(&files, text);
    strbuf_reset(&r->files);
    return files_tar(&files, &r->files) < 0
               ? error_set(err, ERROR_INTERNAL, "the list of tests does not fit into an archive")
               : 0;
}

static void set_report_variable(struct shard *s, const char *report)
{
    const struct preset *p = division_of(s)->method.preset;
    const char *form = p ? p->report_variable : NULL;
    const char *place = form ? strstr(form, "{report}") : NULL;
    if (!place)
        return;
    _cleanup_free_ char *key = xstrndup(form, strcspn(form, "="));
    _cleanup_free_ char *value = xasprintf("%.*s%s", (int)(place - form - strlen(key) - 1),
                                           form + strlen(key) + 1, report);
    strvec_setenv(&s->rounds.env, key, value);
}

static int create(struct shard *s, struct error *err)
{
    struct shard_rounds *r = &s->rounds;
    struct division *d = division_of(s);
    _cleanup_strvec_ struct strvec words = STRVEC_INIT;
    _cleanup_free_ char *report = report_path(s);
    _cleanup_free_ char *file = s->plan->scratch ? xasprintf("%s/tests.txt", s->plan->scratch)
                                                 : xstrdup(TESTS_FILE);
    strvec_deinit(&r->env);
    set_report_variable(s, report);
    if (d->seed) {
        _cleanup_free_ char *seed = xasprintf("%llu", (unsigned long long)d->seed);
        strvec_setenv(&r->env, "CLEANROOM_SEED", seed);
    }
    if (!r->part.whole) {
        shardvars_set_undivided(&r->env);
        if (put_tests_file(s, file, err) < 0)
            return -1;
    }
    if (division_words(d, &r->part, s->number, report, file, &words, err) < 0)
        return -1;
    const struct app_run run = {.argv = &words,
                                .env = &r->env,
                                .files = r->part.whole || s->ctx->plan->program ? NULL : &r->files};
    shard_create_phase(s, &s->test, &run);
    return 0;
}

/* A container that has been removed is made anew. */
static void renew_container(struct shard *s, const char *role)
{
    if (s->test.container.stage == CONTAINER_PLANNED && strcmp(s->test.name, role) == 0)
        return;
    container_deinit(&s->test.container);
    shard_init_phase_container(s, &s->test, role);
}

static void begin_readers(struct shard *s)
{
    const char *named = own_of(s)->reader;
    free_readers(&s->rounds);
    bool automatic = !named || strcmp(named, "auto") == 0;
    if (named && strcmp(named, "none") == 0)
        return;
    for (int i = OUTPUT_STDOUT; i <= OUTPUT_STDERR; i++)
        s->rounds.readers[i] = reader_new(automatic ? NULL : named);
}

static void start(struct shard *s)
{
    struct shard_rounds *r = &s->rounds;
    r->step = ROUND_RUNNING;
    r->count++;
    r->number++;
    r->untaken = true;
    r->ended = r->exit_failed = false;
    begin_readers(s);
    shard_start_phase(s, &s->test, own_of(s)->test_timeout);
}

static void next_round(struct shard *s)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    if (!choose(s)) {
        if (s->rounds.count == 0)
            renew_container(s, "test"); /* it was the list's */
        shard_set_state(s, SHARD_COLLECT);
        return;
    }
    renew_container(s, "test");
    if (create(s, &err) < 0)
        shard_stop(s, &err);
    else
        start(s);
}

/* Only what is certain before its services are up. */
void shard_rounds_prepare(struct shard *s)
{
    const struct division *d = division_of(s);
    _cleanup_error_ struct error err = ERROR_INIT;
    if (s->worlds == 0 && (d->state != DIVISION_READY || d->method.split == SPLIT_QUEUE))
        return;
    if (!choose(s))
        return;
    if (create(s, &err) < 0)
        shard_stop(s, &err);
    s->rounds.prepared = true;
}

/* --- the list --------------------------------------------------------------------------------- */

static void begin_list(struct shard *s)
{
    struct division *d = division_of(s);
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
    shard_start_phase(s, &s->test, own_of(s)->test_timeout);
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
    division_end(division_of(s), "the tests could not be listed");
    shard_set_state(s, SHARD_COLLECT);
}

static void list_ended(struct shard *s, const struct container *c)
{
    struct division *d = division_of(s);
    struct shard_rounds *r = &s->rounds;
    const struct preset *p = own_of(s)->list.len ? NULL : d->method.preset;
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
    if (division_of(s)->state == DIVISION_UNLISTED)
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
    division_wait(division_of(s), &r->ticket, go_on, s);
}

/* --- what it left ----------------------------------------------------------------------------- */

static void move_cases(struct result_suite *to, struct result_suite *from)
{
    for (size_t i = 0; i < from->cases.len; i++)
        *vec_push(&to->cases) = from->cases.items[i];
    from->cases.len = 0;
}

static void take_said(struct shard_rounds *r, const struct reader_report *report)
{
    if (report->said < 0 || report->partial || r->kind != ROUND_PART)
        return;
    r->said = (r->said < 0 ? 0 : r->said) + report->said;
    r->extras += report->extras;
}

static void note_format(const struct shard *s, struct result_suite *round,
                        const struct reader_report *report)
{
    strvec_pushf(&round->properties, "results.from=%s", report->format->name);
    if (!report->problem)
        return;
    _cleanup_free_ char *classname = xasprintf(RESULT_PHASE_CLASS, s->number);
    struct result_case *c = result_add_case(round, classname, "output", CASE_ERROR, 0);
    replace_str(&c->message, report->problem);
    replace_str(&c->type, "OutputError");
}

/* A file that a runner wrote knows more than what it printed; of the latter, the stream that is
   recognised. */
static void read_output(struct shard *s, struct result_suite *round)
{
    struct shard_rounds *r = &s->rounds;
    bool wanted = round->cases.len == 0;
    for (int i = OUTPUT_STDOUT; i <= OUTPUT_STDERR; i++) {
        struct result_suite printed = {0};
        struct reader_report report = {.said = -1};
        if (!r->readers[i])
            continue;
        reader_finish(r->readers[i], &printed, &report);
        if (wanted && report.format) {
            take_said(r, &report);
            move_cases(round, &printed);
            note_format(s, round, &report);
            wanted = false;
            r->reported = true;
        }
        suite_clear(&printed);
        reader_report_deinit(&report);
    }
    free_readers(r);
}

static nsec_t duration_of(const struct result_suite *suite)
{
    nsec_t sum = 0;
    for (size_t i = 0; i < suite->cases.len; i++)
        sum += suite->cases.items[i].duration;
    return sum;
}

static void add_round(struct shard *s, struct result_suite *round)
{
    struct shard_rounds *r = &s->rounds;
    size_t bad = result_suite_bad(round);
    bool failed = r->ended ? r->exit_failed : !s->abandoned;
    switch (r->kind) {
    case ROUND_PART:
        division_spent(division_of(s), s->number, duration_of(round));
        move_cases(&r->found, round);
        r->unexplained = r->unexplained || (failed && bad == 0);
        break;
    case ROUND_REPEAT:
        (void)result_merge_repeat(&r->found, round);
        r->unexplained = r->unexplained || (failed && bad == 0);
        break;
    case ROUND_RETRY:
        (void)result_merge_reruns(&r->found, round, s->worlds > 0);
        if (r->unexplained && !failed)
            replace_str(&r->recovered, s->test.verdict);
        r->unexplained = r->unexplained && failed;
        break;
    }
    if (r->kind == ROUND_RETRY && !failed && result_suite_bad(&r->found) == 0)
        s->test.exit_code = 0;
}

void shard_rounds_take(struct shard *s)
{
    struct shard_rounds *r = &s->rounds;
    struct result_suite round = {0};
    bool acknowledged = false;
    if (s->collect)
        (void)collect_finish(s->collect, &round, &acknowledged, &s->collect_error);
    s->acknowledged |= acknowledged;
    if (s->reports)
        (void)collect_finish(s->reports, &round, &acknowledged, &s->collect_error);
    r->reported |= collect_reported(s->collect) || collect_reported(s->reports);
    collect_free(TAKE_PTR(s->collect));
    collect_free(TAKE_PTR(s->reports));
    if (r->untaken) {
        read_output(s, &round);
        add_round(s, &round);
    }
    r->untaken = false;
    for (size_t i = 0; i < round.properties.len; i++)
        if (!strvec_contains(&r->found.properties, round.properties.items[i]))
            strvec_push(&r->found.properties, round.properties.items[i]);
    suite_clear(&round);
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
        _cleanup_free_ char *path = below_scratch(s, dirs[i]);
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
    shard_rounds_take(s);
    if (own_of(s)->reports)
        remove_container(s);
    put_aside(s);
}

static void clean(struct shard *s)
{
    s->rounds.step = ROUND_CLEANING;
    s->rounds.clearing = true;
    loop_timer_disarm(s->ctx->loop, &s->deadline);
    shard_fetch_round(s, round_fetched);
    if (!s->ctx->plan->program && !own_of(s)->reports)
        remove_container(s); /* meanwhile */
}

/* Whether there is another round, as far as can be told without looking at the results. */
static bool goes_on(const struct shard *s, bool failed)
{
    const struct shard_rounds *r = &s->rounds;
    const struct cleanroom_settings *own = own_of(s);
    bool retry = may_retry(s) && (failed || (r->kind != ROUND_RETRY && is_bad(s)));
    bool stop = failed && !retry && (own->fail_fast || own->until_fail);
    if (s->abandoned || stop)
        return false;
    return retry || (r->pass == 1 && r->kind == ROUND_PART && division_has_more(division_of(s))) ||
           (r->kind != ROUND_RETRY && (wants_another_pass(s) || r->repeated < r->parts.len) &&
            r->pass > 1) ||
           (r->pass == 1 && r->kind == ROUND_PART && wants_another_pass(s));
}

/* A shard without a test is no failure; all of them are, and the proof says so. */
static bool has_failed(const struct shard *s, const struct container *c)
{
    const struct preset *p = division_of(s)->method.preset;
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
    if (goes_on(s, failed))
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
    struct division *d = division_of(s);
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

/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/result.h>

#include <limits.h>
#include <string.h>
#include <unistd.h>

/* What a suite keeps of an app's standard output and error until its owner says otherwise. */
#define OUTPUT_HEAD (32u << 10)
#define OUTPUT_TAIL (96u << 10)

void result_init(struct result *r, const char *run_id, const char *name)
{
    char host[HOST_NAME_MAX + 1] = "";
    (void)gethostname(host, sizeof(host) - 1);
    *r = (struct result){
        .run_id = xstrdup(run_id),
        .name = xstrdup(name),
        .hostname = xstrdup(host[0] ? host : "localhost"),
        .started_wall = clock_wall(),
    };
}

static void rerun_deinit(struct result_rerun *r)
{
    free(r->message);
    free(r->type);
    free(r->text);
    free(r->output);
}

void result_case_deinit(struct result_case *c)
{
    free(c->name);
    free(c->classname);
    free(c->message);
    free(c->type);
    free(c->text);
    free(c->output);
    free(c->file);
    for (size_t i = 0; i < c->reruns.len; i++)
        rerun_deinit(&c->reruns.items[i]);
    vec_deinit(&c->reruns);
    *c = (struct result_case){0};
}

bool result_case_is_flaky(const struct result_case *c)
{
    return c->status == CASE_PASSED && c->reruns.len > 0;
}

void result_suite_truncate(struct result_suite *s, size_t count)
{
    while (s->cases.len > count)
        result_case_deinit(&s->cases.items[--s->cases.len]);
}

void result_suite_deinit(struct result_suite *s)
{
    free(s->name);
    free(s->hostname);
    free(s->replay);
    strvec_deinit(&s->properties);
    result_suite_truncate(s, 0);
    vec_deinit(&s->cases);
    capture_deinit(&s->out);
    capture_deinit(&s->err);
}

void result_deinit(struct result *r)
{
    for (size_t i = 0; i < r->suites.len; i++)
        result_suite_deinit(&r->suites.items[i]);
    vec_deinit(&r->suites);
    free(r->run_id);
    free(r->name);
    free(r->hostname);
    strvec_deinit(&r->properties);
    strvec_deinit(&r->remarks);
    *r = (struct result){0};
}

void result_remove_suite(struct result *r, size_t i)
{
    result_suite_deinit(&r->suites.items[i]);
    r->suites.len--;
    memmove(&r->suites.items[i], &r->suites.items[i + 1],
            (r->suites.len - i) * sizeof(*r->suites.items));
}

struct result_suite *result_add_suite(struct result *r, int shard, int shards)
{
    struct result_suite *s = vec_push(&r->suites);
    s->name = shard ? xasprintf("shard %d of %d", shard, shards) : xstrdup("cleanroom");
    s->shard = shard;
    s->started_wall = clock_wall();
    capture_init(&s->out, OUTPUT_HEAD, OUTPUT_TAIL);
    capture_init(&s->err, OUTPUT_HEAD, OUTPUT_TAIL);
    return s;
}

struct result_case *result_add_case(struct result_suite *s, const char *classname, const char *name,
                                    enum case_status status, nsec_t duration)
{
    struct result_case *c = vec_push(&s->cases);
    c->classname = xstrdup(classname);
    c->name = xstrdup(name);
    c->status = status;
    c->duration = duration;
    return c;
}

bool result_case_is_phase(const struct result_case *c)
{
    static const char prefix[] = "cleanroom.shard-";
    return c->classname && (strcmp(c->classname, "cleanroom") == 0 ||
                            strncmp(c->classname, prefix, sizeof(prefix) - 1) == 0);
}

void result_suite_count(const struct result_suite *s, struct result_counts *counts)
{
    *counts = (struct result_counts){.tests = s->cases.len};
    for (size_t i = 0; i < s->cases.len; i++) {
        counts->failures += s->cases.items[i].status == CASE_FAILED;
        counts->errors += s->cases.items[i].status == CASE_ERROR;
        counts->skipped += s->cases.items[i].status == CASE_SKIPPED;
    }
}

size_t result_suite_bad(const struct result_suite *s)
{
    struct result_counts counts;
    result_suite_count(s, &counts);
    return counts.failures + counts.errors;
}

/* One reported test of the app and the shard that reported it. */
struct report {
    struct result_case *test;
    size_t suite;
};

static int compare_reports(const void *a, const void *b)
{
    const struct report *x = a, *y = b;
    int order = strcmp(x->test->classname, y->test->classname);
    if (order == 0)
        order = strcmp(x->test->name, y->test->name);
    if (order == 0)
        order = (x->suite > y->suite) - (x->suite < y->suite);
    return order;
}

static bool same_test(const struct report *x, const struct report *y)
{
    return strcmp(x->test->classname, y->test->classname) == 0 &&
           strcmp(x->test->name, y->test->name) == 0;
}

/* All reports of one test, in the order of their suites. An echo is marked by the loss of its name.
 */
static void mark_echoes(struct report *reports, size_t count)
{
    size_t keeper = reports[0].suite;
    bool ran = false;
    for (size_t i = 0; i < count && !ran; i++) {
        ran = reports[i].test->status != CASE_SKIPPED;
        if (ran)
            keeper = reports[i].suite;
    }
    for (size_t i = 0; i < count; i++) {
        if (reports[i].suite == keeper || reports[i].test->status != CASE_SKIPPED)
            continue;
        free(reports[i].test->name);
        reports[i].test->name = NULL;
    }
}

static void remove_nameless(struct result_suite *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->cases.len; i++) {
        if (s->cases.items[i].name)
            s->cases.items[kept++] = s->cases.items[i];
        else
            result_case_deinit(&s->cases.items[i]);
    }
    s->cases.len = kept;
}

static void say_how_often(struct result_case *c)
{
    if (c->bad_runs == 0)
        return;
    char *message = xasprintf("failed in %zu of %zu runs%s%s", c->bad_runs, c->runs,
                              c->message ? ": " : "", c->message ? c->message : "");
    free(c->message);
    c->message = message;
}

static void finish_cases(struct result_suite *s)
{
    remove_nameless(s);
    for (size_t i = 0; i < s->cases.len; i++)
        say_how_often(&s->cases.items[i]);
}

void result_settle(struct result *r)
{
    VEC(struct report) reports = {0};
    for (size_t i = 0; i < r->suites.len; i++) {
        struct result_suite *s = &r->suites.items[i];
        for (size_t k = 0; k < s->cases.len; k++)
            if (!result_case_is_phase(&s->cases.items[k]))
                *vec_push(&reports) = (struct report){&s->cases.items[k], i};
    }
    if (reports.len)
        qsort(reports.items, reports.len, sizeof(*reports.items), compare_reports);

    for (size_t i = 0, end; i < reports.len; i = end) {
        for (end = i + 1; end < reports.len; end++)
            if (!same_test(&reports.items[i], &reports.items[end]))
                break;
        mark_echoes(&reports.items[i], end - i);
    }
    vec_deinit(&reports);
    for (size_t i = 0; i < r->suites.len; i++)
        finish_cases(&r->suites.items[i]);
}

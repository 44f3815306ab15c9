/* SPDX-License-Identifier: Apache-2.0 */
/* Several runs of the same tests become one: --retries and --repeat. */
#include <cleanroom/result.h>

#include <string.h>

static bool is_bad(enum case_status status)
{
    return status == CASE_FAILED || status == CASE_ERROR;
}

/* --- one test -------------------------------------------------------------------------------- */

/* What a run said, taken out of its case. */
static struct result_rerun take_outcome(struct result_case *c)
{
    const struct result_rerun outcome = {
        .status = c->status,
        .duration = c->duration,
        .fresh = c->fresh,
        .message = c->message,
        .type = c->type,
        .text = c->text,
        .output = c->output,
    };
    c->message = c->type = c->text = c->output = NULL;
    return outcome;
}

static void put_outcome(struct result_case *c, const struct result_rerun *outcome)
{
    c->status = outcome->status;
    c->duration = outcome->duration;
    c->fresh = outcome->fresh;
    c->message = outcome->message;
    c->type = outcome->type;
    c->text = outcome->text;
    c->output = outcome->output;
}

static void swap_outcomes(struct result_case *a, struct result_case *b)
{
    struct result_rerun of_a = take_outcome(a), of_b = take_outcome(b);
    put_outcome(a, &of_b);
    put_outcome(b, &of_a);
}

static void add_first(struct result_case *c, struct result_rerun first)
{
    (void)vec_push(&c->reruns);
    memmove(&c->reruns.items[1], &c->reruns.items[0],
            (c->reruns.len - 1) * sizeof(*c->reruns.items));
    c->reruns.items[0] = first;
}

/* The runner of the app may have run it more than once by itself. */
static void take_reruns(struct result_case *c, struct result_case *again, bool fresh)
{
    for (size_t i = 0; i < again->reruns.len; i++) {
        again->reruns.items[i].fresh = fresh;
        *vec_push(&c->reruns) = again->reruns.items[i];
    }
    vec_deinit(&again->reruns);
}

void result_case_add_rerun(struct result_case *c, struct result_case *again, bool fresh)
{
    again->fresh = fresh;
    if (is_bad(c->status) && again->status == CASE_PASSED) {
        add_first(c, take_outcome(c));
        swap_outcomes(c, again);
    } else if (c->status == CASE_SKIPPED) {
        swap_outcomes(c, again);
    } else if (is_bad(again->status)) {
        *vec_push(&c->reruns) = take_outcome(again);
    }
    take_reruns(c, again, fresh);
    result_case_deinit(again);
}

/* The mean needs no memory of its parts. */
static void add_duration(struct result_case *c, nsec_t duration)
{
    c->duration += (duration - c->duration) / (nsec_t)c->runs;
}

static int severity(enum case_status status)
{
    static const int severities[] = {
        [CASE_SKIPPED] = 0, [CASE_PASSED] = 1, [CASE_FAILED] = 2, [CASE_ERROR] = 3};
    return severities[status];
}

static void add_repeat(struct result_case *c, struct result_case *again)
{
    if (c->runs == 0 && c->status != CASE_SKIPPED) {
        c->runs = 1;
        c->bad_runs = is_bad(c->status);
    }
    if (again->status != CASE_SKIPPED) {
        c->runs++;
        c->bad_runs += is_bad(again->status);
        add_duration(c, again->duration);
    }
    if (severity(again->status) > severity(c->status)) {
        again->duration = c->duration;
        swap_outcomes(c, again);
    }
    if (c->reruns.len == 0)
        take_reruns(c, again, false);
    result_case_deinit(again);
}

/* --- whole suites ---------------------------------------------------------------------------- */

struct tests {
    struct result_case **items;
    size_t len;
};

static void tests_deinit(struct tests *t)
{
    free(t->items);
}

static int compare_names(const struct result_case *a, const struct result_case *b)
{
    int order = strcmp(a->classname, b->classname);
    return order ? order : strcmp(a->name, b->name);
}

static int compare_tests(const void *a, const void *b)
{
    const struct result_case *x = *(struct result_case *const *)a;
    const struct result_case *y = *(struct result_case *const *)b;
    int order = compare_names(x, y);
    return order ? order : (x > y) - (x < y); /* of one array */
}

static void tests_init(struct tests *t, struct result_suite *s)
{
    t->items = xmalloc((s->cases.len + 1) * sizeof(struct result_case *));
    t->len = 0;
    for (size_t i = 0; i < s->cases.len; i++)
        if (!result_case_is_phase(&s->cases.items[i]))
            t->items[t->len++] = &s->cases.items[i];
    qsort(t->items, t->len, sizeof(struct result_case *), compare_tests);
}

/* What nobody met goes over; what was met has no name any more. */
static void move_rest(struct result_suite *suite, struct result_suite *again, bool fresh)
{
    size_t kept = 0;
    for (size_t i = 0; i < again->cases.len; i++) {
        struct result_case *c = &again->cases.items[i];
        if (!c->name)
            continue;
        if (result_case_is_phase(c)) {
            again->cases.items[kept++] = *c;
            continue;
        }
        c->fresh = fresh;
        *vec_push(&suite->cases) = *c;
    }
    again->cases.len = kept;
}

struct merging {
    bool repeat, fresh;
};

static void merge_test(const struct merging *m, struct result_case *c, struct result_case *again,
                       struct result_merged *merged)
{
    merged->met++;
    merged->recovered += is_bad(c->status) && again->status == CASE_PASSED;
    if (m->repeat)
        add_repeat(c, again);
    else
        result_case_add_rerun(c, again, m->fresh);
}

/* Both sides are in the same order. */
static struct result_merged merge(const struct merging *m, struct result_suite *suite,
                                  struct result_suite *again)
{
    _cleanup_(tests_deinit) struct tests there, here;
    tests_init(&there, suite);
    tests_init(&here, again);

    struct result_merged merged = {0};
    for (size_t i = 0, k = 0; i < here.len; i++) {
        struct result_case *c = here.items[i];
        merged.bad += is_bad(c->status);
        while (k < there.len && compare_names(there.items[k], c) < 0)
            k++;
        if (k < there.len && compare_names(there.items[k], c) == 0)
            merge_test(m, there.items[k++], c, &merged);
        else
            merged.added++;
    }
    move_rest(suite, again, m->fresh);
    return merged;
}

struct result_merged result_merge_reruns(struct result_suite *suite, struct result_suite *again,
                                         bool fresh)
{
    return merge(&(struct merging){.fresh = fresh}, suite, again);
}

struct result_merged result_merge_repeat(struct result_suite *suite, struct result_suite *again)
{
    return merge(&(struct merging){.repeat = true}, suite, again);
}

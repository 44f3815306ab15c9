/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/result.h>

#include "tap.h"

static struct result_case *add(struct result_suite *s, const char *name, enum case_status status,
                               const char *message)
{
    struct result_case *c = result_add_case(s, "T", name, status, NSEC_PER_SEC);
    replace_str(&c->message, message);
    return c;
}

static struct result_case one(enum case_status status, const char *message)
{
    return (struct result_case){.classname = xstrdup("T"),
                                .name = xstrdup("t"),
                                .status = status,
                                .message = xstrdup(message)};
}

static void rerun(struct result_case *c, enum case_status status, const char *message, bool fresh)
{
    struct result_case again = one(status, message);
    result_case_add_rerun(c, &again, fresh);
    check(!again.name && !again.message);
}

static void test_failed_then_passed_is_flaky(void)
{
    struct result_case c = one(CASE_FAILED, "first");
    rerun(&c, CASE_ERROR, "second", false);
    check_int(c.status, CASE_FAILED);
    check_str(c.message, "first");
    check(!result_case_is_flaky(&c));
    rerun(&c, CASE_PASSED, NULL, true);
    check(result_case_is_flaky(&c));
    check_str(c.message, NULL);
    check(c.fresh);
    check_int(c.reruns.len, 2);
    check_str(c.reruns.items[0].message, "first");
    check_str(c.reruns.items[1].message, "second");
    check_int(c.reruns.items[1].status, CASE_ERROR);
    check(!c.reruns.items[0].fresh && !c.reruns.items[1].fresh);
    result_case_deinit(&c);
}

static void test_what_never_passes_keeps_its_first_failure(void)
{
    struct result_case c = one(CASE_FAILED, "first");
    rerun(&c, CASE_FAILED, "second", false);
    rerun(&c, CASE_SKIPPED, "not selected", false);
    rerun(&c, CASE_FAILED, "third", true);
    check_str(c.message, "first");
    check_int(c.reruns.len, 2);
    check_str(c.reruns.items[1].message, "third");
    check(!c.fresh && c.reruns.items[1].fresh);
    result_case_deinit(&c);
}

/* A class is run again as a whole: its other tests, too. */
static void test_other_ways_round(void)
{
    struct result_case c = one(CASE_PASSED, NULL);
    rerun(&c, CASE_PASSED, NULL, false);
    check_int(c.reruns.len, 0);
    rerun(&c, CASE_FAILED, "now", false);
    check(result_case_is_flaky(&c));
    check_str(c.reruns.items[0].message, "now");
    result_case_deinit(&c);

    c = one(CASE_SKIPPED, "needs the other");
    rerun(&c, CASE_PASSED, NULL, false);
    check_int(c.status, CASE_PASSED);
    check_int(c.reruns.len, 0);
    result_case_deinit(&c);
}

static void test_reruns_of_the_runner_itself(void)
{
    struct result_case c = one(CASE_FAILED, "ours"), again = one(CASE_PASSED, NULL);
    vec_push(&again.reruns)->message = xstrdup("its own");
    result_case_add_rerun(&c, &again, true);
    check_int(c.reruns.len, 2);
    check_str(c.reruns.items[1].message, "its own");
    check(c.reruns.items[1].fresh);
    result_case_deinit(&c);
}

static void test_suites_meet_by_name(void)
{
    struct result r;
    result_init(&r, "id", "app");
    result_add_suite(&r, 1, 1);
    struct result_suite *again = result_add_suite(&r, 2, 2), *s = &r.suites.items[0];
    result_add_case(s, "cleanroom.shard-1", "test", CASE_FAILED, 0);
    add(s, "b", CASE_FAILED, "b1");
    add(s, "twice", CASE_FAILED, "first of two");
    add(s, "a", CASE_FAILED, "a1");
    add(s, "twice", CASE_FAILED, "second of two");
    add(s, "alone", CASE_PASSED, NULL);
    add(again, "a", CASE_PASSED, NULL);
    result_add_case(again, "cleanroom.shard-1", "test", CASE_PASSED, 0);
    add(again, "new", CASE_ERROR, "n");
    add(again, "twice", CASE_PASSED, NULL);
    add(again, "b", CASE_FAILED, "b2");

    struct result_merged m = result_merge_reruns(s, again, true);
    check_int(m.met, 3);
    check_int(m.added, 1);
    check_int(m.recovered, 2);
    check_int(m.bad, 2);
    check_int(s->cases.len, 7);
    check_int(s->cases.items[0].status, CASE_FAILED); /* a phase is its owner's */
    check_str(s->cases.items[1].reruns.items[0].message, "b2");
    check_str(s->cases.items[2].reruns.items[0].message, "first of two");
    check(result_case_is_flaky(&s->cases.items[3]));
    check_int(s->cases.items[4].status, CASE_FAILED);
    check_str(s->cases.items[6].name, "new");
    check(s->cases.items[6].fresh);
    check_int(again->cases.len, 1);
    check_str(again->cases.items[0].name, "test");
    result_deinit(&r);
}

static void test_repeats_are_counted(void)
{
    static const enum case_status said[] = {CASE_PASSED, CASE_FAILED,  CASE_PASSED, CASE_SKIPPED,
                                            CASE_ERROR,  CASE_SKIPPED, CASE_FAILED, CASE_PASSED};
    struct result r;
    result_init(&r, "id", "app");
    struct result_suite again = {0}, *s = result_add_suite(&r, 1, 1);
    add(s, "t", said[0], NULL);
    add(s, "good", CASE_PASSED, NULL);
    for (size_t i = 1; i < ARRAY_SIZE(said); i++) {
        add(&again, "t", said[i], said[i] == CASE_ERROR ? "crash" : "no")->duration = 7 *
                                                                                      NSEC_PER_SEC;
        add(&again, "good", CASE_PASSED, NULL);
        result_merge_repeat(s, &again);
        check_int(again.cases.len, 0);
    }
    const struct result_case *t = &s->cases.items[0];
    check_int(t->runs, 6);
    check_int(t->bad_runs, 3);
    check_int(t->status, CASE_ERROR);
    check_int(t->duration, 6 * NSEC_PER_SEC);
    check_int(t->reruns.len, 0);
    check_int(s->cases.items[1].runs, 8);

    result_settle(&r);
    check_str(t->message, "failed in 3 of 6 runs: crash");
    check_str(s->cases.items[1].message, NULL);
    vec_deinit(&again.cases);
    result_deinit(&r);
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_failed_then_passed_is_flaky),
        TAP(test_what_never_passes_keeps_its_first_failure),
        TAP(test_other_ways_round),
        TAP(test_reruns_of_the_runner_itself),
        TAP(test_suites_meet_by_name),
        TAP(test_repeats_are_counted),
        {0},
    });
}

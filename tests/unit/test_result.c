/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/result.h>

#include "tap.h"

static void test_counts(void)
{
    struct result r;
    result_init(&r, "0123456789ab", "app");
    check(r.hostname[0] != '\0');
    struct result_suite *s = result_add_suite(&r, 1, 4);
    check_str(s->name, "shard 1 of 4");
    for (int i = 0; i < 20; i++)
        result_add_case(s, "a", "b", (enum case_status)(i % 4), 0);
    result_add_case(s, "a", "b", CASE_ERROR, 0);
    struct result_counts counts;
    result_suite_count(s, &counts);
    check_int(counts.tests, 21);
    check_int(counts.failures, 5);
    check_int(counts.errors, 6);
    check_int(counts.skipped, 5);
    result_suite_truncate(s, 3);
    check_int(s->cases.len, 3);
    check_str(result_add_suite(&r, 0, 4)->name, "cleanroom");
    result_deinit(&r);
    result_deinit(&r);
}

static void test_phases_are_not_tests(void)
{
    char phase[] = "cleanroom.shard-12", run[] = "cleanroom", test[] = "cleanroom.tests";
    check(result_case_is_phase(&(struct result_case){.classname = run}));
    check(result_case_is_phase(&(struct result_case){.classname = phase}));
    check(!result_case_is_phase(&(struct result_case){.classname = test}));
}

static size_t count_named(const struct result *r, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < r->suites.len; i++)
        for (size_t k = 0; k < r->suites.items[i].cases.len; k++)
            count += strcmp(r->suites.items[i].cases.items[k].name, name) == 0;
    return count;
}

/* Three shards report all tests, each ran its own and skipped the others'. */
static void test_echoes_of_other_shards_are_taken_out(void)
{
    static const char *const tests[] = {"one", "two", "three"};
    struct result r;
    result_init(&r, "id", "app");
    for (size_t shard = 0; shard < 3; shard++) {
        struct result_suite *s = result_add_suite(&r, (int)shard + 1, 3);
        result_add_case(s, "cleanroom.shard-1", "deploy", CASE_SKIPPED, 0);
        for (size_t i = 0; i < 3; i++)
            result_add_case(s, "T", tests[i], i == shard ? CASE_FAILED : CASE_SKIPPED, 0);
        result_add_case(s, "T", "nobody's", CASE_SKIPPED, 0);
        result_add_case(s, "T", "everybody's", CASE_PASSED, 0);
    }
    result_settle(&r);
    for (size_t i = 0; i < 3; i++) {
        check_int(count_named(&r, tests[i]), 1);
        check_str(r.suites.items[i].cases.items[1].name, tests[i]);
        check_int(r.suites.items[i].cases.items[1].status, CASE_FAILED);
    }
    check_int(count_named(&r, "nobody's"), 1);
    check_int(count_named(&r, "everybody's"), 3);
    check_int(count_named(&r, "deploy"), 3);
    result_deinit(&r);
}

/* One parametrised test, twice under one name, is no echo of itself. */
static void test_a_shard_does_not_echo_itself(void)
{
    struct result r;
    result_init(&r, "id", "app");
    struct result_suite *s = result_add_suite(&r, 1, 1);
    result_add_case(s, "T", "param", CASE_PASSED, 0);
    result_add_case(s, "T", "param", CASE_SKIPPED, 0);
    result_settle(&r);
    check_int(count_named(&r, "param"), 2);
    result_deinit(&r);
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_counts),
        TAP(test_phases_are_not_tests),
        TAP(test_echoes_of_other_shards_are_taken_out),
        TAP(test_a_shard_does_not_echo_itself),
        {0},
    });
}

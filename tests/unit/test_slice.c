/* SPDX-License-Identifier: Apache-2.0 */
/* Which shards are this machine's: as it is said, and as CI systems say it. */
#include "config/slice.h"

#include <stdlib.h>

#include "config/plan.h"
#include "tap.h"

static void check_slice(const char *text, const char *const *environment, int index, int total,
                        const char *ci)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct slice s;

    check_int(slice_parse(&s, text, "--slice", environment, &err), 0);
    check_str(err.message, NULL);
    check_int(s.index, index);
    check_int(s.total, total);
    check_str(s.ci, ci);
}

static void check_refused(const char *text, const char *const *environment, const char *why)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct slice s;

    check_int(slice_parse(&s, text, "forklift.yaml:3:5", environment, &err), -1);
    check_contains(err.message, "forklift.yaml:3:5: ");
    check_contains(err.message, why);
    check_int(error_exit_code(err.kind), 2);
}

static void test_said(void)
{
    static const char *const malformed[] = {"",     "2",      "2/",    "/3",      "2/3/4",
                                            "2 /3", "two/3",  "2/x",   "2/1001",  "1/0",
                                            "-1/3", "auto/0", "auto/", "autos/3", "1.5/3"};
    static const char *const nowhere[] = {"0/3", "4/3", "1000/999"};

    check_slice("1/1", NULL, 0, 1, NULL);
    check_slice("2/3", NULL, 1, 3, NULL);
    check_slice("1000/1000", NULL, 999, 1000, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(malformed); i++)
        check_refused(malformed[i], NULL, "is no slice: write the second of three as 2/3");
    for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++)
        check_refused(nowhere[i], NULL, "is none of the slices 1/");
}

/* Every system's third of five jobs, in its own counting. */
static void test_systems(void)
{
    size_t count = 0;

    for (const struct slice_system *s = slice_systems; s->name; s++, count++) {
        _cleanup_strvec_ struct strvec env = STRVEC_INIT;
        strvec_push(&env, "HOME=/root");
        strvec_pushf(&env, "%s=%d", s->index, s->base + 2);
        if (s->sign)
            strvec_pushf(&env, "%s=true", s->sign);
        if (s->total)
            strvec_pushf(&env, "%s=5", s->total);
        const char *const *environment = (const char *const *)env.items;
        check_slice("auto/5", environment, 2, 5, s->name);
        if (s->total)
            check_slice("auto", environment, 2, 5, s->name);
        check_contains(s->source, "https://");
    }
    check_int(count, 8);
}

/* What the systems document, in their own words. */
static void test_documented(void)
{
    check_slice("auto",
                (const char *const[]){"GITLAB_CI=true", "CI_NODE_INDEX=1", "CI_NODE_TOTAL=4", NULL},
                0, 4, "GitLab CI");
    check_slice("auto", (const char *const[]){"CIRCLE_NODE_INDEX=0", "CIRCLE_NODE_TOTAL=1", NULL},
                0, 1, "CircleCI");
    check_slice("auto",
                (const char *const[]){"BUILDKITE_PARALLEL_JOB=3", "BUILDKITE_PARALLEL_JOB_COUNT=4",
                                      "JOB_COMPLETION_INDEX=0", NULL},
                3, 4, "Buildkite");
    check_slice(
        "auto",
        (const char *const[]){"SYSTEM_JOBPOSITIONINPHASE=2", "SYSTEM_TOTALJOBSINPHASE=2", NULL}, 1,
        2, "Azure Pipelines");
    check_slice("auto/7", (const char *const[]){"JOB_COMPLETION_INDEX=6", NULL}, 6, 7,
                "Kubernetes");
}

static void test_systems_that_say_nonsense(void)
{
    check_refused("auto", NULL,
                  "none of the variables is set that number parallel jobs: "
                  "CI_NODE_INDEX (GitLab CI), CIRCLE_NODE_INDEX (CircleCI)");
    check_refused("auto", (const char *const[]){"CIRCLE_NODE_INDEX=", NULL}, "none of the");
    check_refused("auto", (const char *const[]){"CI_NODE_INDEX=1", "CI_NODE_TOTAL=4", NULL},
                  "none of the"); /* others call it so too, and count from 0 */
    check_refused("auto", (const char *const[]){"JOB_COMPLETION_INDEX=1", NULL},
                  "Kubernetes sets JOB_COMPLETION_INDEX, but nothing says of how many: write "
                  "'auto/3' for three");
    check_refused("auto/3",
                  (const char *const[]){"CIRCLE_NODE_INDEX=1", "CIRCLE_NODE_TOTAL=4", NULL},
                  "'auto/3' is not what CircleCI says: CIRCLE_NODE_TOTAL is 4");
    check_refused("auto", (const char *const[]){"CIRCLE_NODE_INDEX=4", "CIRCLE_NODE_TOTAL=4", NULL},
                  "CIRCLE_NODE_INDEX is '4', and not one of 0 to 3");
    check_refused(
        "auto", (const char *const[]){"GITLAB_CI=true", "CI_NODE_INDEX=0", "CI_NODE_TOTAL=4", NULL},
        "CI_NODE_INDEX is '0', and not one of 1 to 4");
    check_refused("auto",
                  (const char *const[]){"CIRCLE_NODE_INDEX=0", "CIRCLE_NODE_TOTAL=many", NULL},
                  "CIRCLE_NODE_TOTAL is 'many', and not a number of jobs");
}

/* Of all slices each shard is in exactly one, and their sizes differ by one at most. */
static void test_ranges(void)
{
    for (int shards = 1; shards <= 25; shards++) {
        for (int total = 1; total <= shards; total++) {
            int next = 0;
            for (int i = 0; i < total; i++) {
                int first, count;
                const struct slice s = {.index = i, .total = total};
                check_int(slice_range(&s, shards, "--slice", &first, &count, NULL), 0);
                check_int(first, next);
                check(count == shards / total || count == shards / total + 1);
                next += count;
            }
            check_int(next, shards);
        }
    }
}

static void test_too_many(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    const struct slice s = {.index = 0, .total = 5};
    int first, count;

    check_int(slice_range(&s, 4, "--slice", &first, &count, &err), -1);
    check_str(err.message, "--slice: 4 shards are not enough for 5 slices; --shards N makes more "
                           "of them, which are those of all slices together");
}

static int plan_of(struct plan *plan, struct settings *settings, const char *slice,
                   struct error *err)
{
    const struct cli_value cli[] = {{"shards", "12"}, {"slice", slice}};
    const struct settings_input in = {.image = "app",
                                      .cli = cli,
                                      .cli_count = slice ? 2 : 1,
                                      .no_user_config = true,
                                      .directory = "/nonexistent/app"};

    check_int(settings_load(settings, &in, err), 0);
    return plan_make(plan, settings, NULL, err);
}

static void test_plan(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(settings_deinit) struct settings whole, part, wrong;
    struct plan plan;

    check_int(plan_of(&plan, &whole, NULL, &err), 0);
    check_int(plan.first_shard, 0);
    check_int(plan.shard_count, 12);
    check_int(plan.slice.total, 1);
    plan_deinit(&plan);

    check_int(plan_of(&plan, &part, "2/3", &err), 0);
    check_int(plan.first_shard, 4);
    check_int(plan.shard_count, 4);
    check_int(plan.shards.len, 12); /* of the same plan */
    check_int(plan.shards.items[plan.first_shard].number, 5);
    plan_deinit(&plan);

    check_int(plan_of(&plan, &wrong, "13/13", &err), -1);
    check_contains(err.message, "--slice: 12 shards are not enough for 13 slices");
}

/* Kept apart: plan_make() sees the process's own variables. */
static void test_plan_of_this_process(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(settings_deinit) struct settings settings;
    _cleanup_(plan_deinit) struct plan plan;

    for (const struct slice_system *s = slice_systems; s->name; s++)
        check_int(unsetenv(s->index), 0);
    check_int(setenv("CIRCLE_NODE_INDEX", "2", 1), 0);
    check_int(setenv("CIRCLE_NODE_TOTAL", "5", 1), 0);
    check_int(plan_of(&plan, &settings, "auto", &err), 0);
    check_int(plan.first_shard, 4);
    check_int(plan.shard_count, 3);
    check_str(plan.slice.ci, "CircleCI");
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_said),
                                       TAP(test_systems),
                                       TAP(test_documented),
                                       TAP(test_systems_that_say_nonsense),
                                       TAP(test_ranges),
                                       TAP(test_too_many),
                                       TAP(test_plan),
                                       TAP(test_plan_of_this_process),
                                       {0}});
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "config/shardvars.h"

#include <string.h>

#include "config/plan.h"

enum shardvar {
    SHARD_INDEX,  /* 0-based */
    SHARD_NUMBER, /* 1-based */
    SHARD_TOTAL,
    SHARD_PAIR, /* NUMBER/TOTAL */
    SHARD_TEXT,
};

/*
 * Not here, though some runners read them: CI_NODE_INDEX (GitLab counts from 1, Knapsack and AVA
 * from 0), BAZEL_TEST (changes more than the split), TEST_ENV_NUMBER and MIX_TEST_PARTITION
 * (frameworks append them to the database's name), PYTEST_ADDOPTS and NODE_OPTIONS (fail without
 * the plugin). Who needs one sets it with `environment`, from the variables below.
 */
static const struct {
    const char *name;
    enum shardvar kind;
    const char *text;
} shardvars[] = {
    /* Ours. The pair suits jest, vitest, playwright, node, cucumber-js and nextest. */
    {"CLEANROOM_SHARD", SHARD_PAIR, NULL},
    {"CLEANROOM_SHARD_INDEX", SHARD_INDEX, NULL},
    {"CLEANROOM_SHARD_NUMBER", SHARD_NUMBER, NULL},
    {"CLEANROOM_SHARD_TOTAL", SHARD_TOTAL, NULL},

    /* Bazel's test encyclopedia; also absl, Catch2. The status file is the acknowledgement. */
    {"TEST_SHARD_INDEX", SHARD_INDEX, NULL},
    {"TEST_TOTAL_SHARDS", SHARD_TOTAL, NULL},
    {"TEST_SHARD_STATUS_FILE", SHARD_TEXT, PLAN_STATUS_FILE},
    {"XML_OUTPUT_FILE", SHARD_TEXT, PLAN_XML_DIR "/test.xml"},
    {"TEST_UNDECLARED_OUTPUTS_DIR", SHARD_TEXT, PLAN_OUTPUTS},
    {"TEST_TMPDIR", SHARD_TEXT, PLAN_TMP},

    /* googletest. With the slash at the end each binary gets a file of its own. */
    {"GTEST_SHARD_INDEX", SHARD_INDEX, NULL},
    {"GTEST_TOTAL_SHARDS", SHARD_TOTAL, NULL},
    {"GTEST_SHARD_STATUS_FILE", SHARD_TEXT, PLAN_STATUS_FILE},
    {"GTEST_OUTPUT", SHARD_TEXT, "xml:" PLAN_XML_DIR "/"},

    /* CI systems whose names splitters read: Knapsack, AVA, bktec, split_tests. */
    {"CIRCLE_NODE_INDEX", SHARD_INDEX, NULL},
    {"CIRCLE_NODE_TOTAL", SHARD_TOTAL, NULL},
    {"BUILDKITE_PARALLEL_JOB", SHARD_INDEX, NULL},
    {"BUILDKITE_PARALLEL_JOB_COUNT", SHARD_TOTAL, NULL},
    {"KNAPSACK_PRO_CI_NODE_INDEX", SHARD_INDEX, NULL},
    {"KNAPSACK_PRO_CI_NODE_TOTAL", SHARD_TOTAL, NULL},

    /* LLVM lit. */
    {"LIT_RUN_SHARD", SHARD_NUMBER, NULL},
    {"LIT_NUM_SHARDS", SHARD_TOTAL, NULL},
};

/* A text with `scratch` instead of PLAN_SCRATCH; release with free(). */
static char *below(const char *text, const char *scratch)
{
    const char *place = strstr(text, PLAN_SCRATCH);

    return xasprintf("%.*s%s%s", (int)(place - text), text, scratch, place + strlen(PLAN_SCRATCH));
}

void shardvars_set(struct strvec *env, int number, int total, const char *scratch)
{
    _cleanup_free_ char *path = NULL;
    const char *text = NULL;
    char value[32];

    for (size_t i = 0; i < ARRAY_SIZE(shardvars); i++) {
        text = value;
        switch (shardvars[i].kind) {
        case SHARD_INDEX:
            snprintf(value, sizeof(value), "%d", number - 1);
            break;
        case SHARD_NUMBER:
            snprintf(value, sizeof(value), "%d", number);
            break;
        case SHARD_TOTAL:
            snprintf(value, sizeof(value), "%d", total);
            break;
        case SHARD_PAIR:
            snprintf(value, sizeof(value), "%d/%d", number, total);
            break;
        case SHARD_TEXT:
            free(path);
            text = path = below(shardvars[i].text, scratch);
            break;
        }
        strvec_setenv(env, shardvars[i].name, text);
    }
}

void shardvars_set_undivided(struct strvec *env)
{
    for (size_t i = 0; i < ARRAY_SIZE(shardvars); i++) {
        enum shardvar kind = shardvars[i].kind;
        if (strncmp(shardvars[i].name, "CLEANROOM_", strlen("CLEANROOM_")) == 0 ||
            kind == SHARD_TEXT)
            continue;
        strvec_setenv(env, shardvars[i].name, kind == SHARD_INDEX ? "0" : "1");
    }
}

bool shardvars_has(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(shardvars); i++) {
        if (strcmp(shardvars[i].name, name) == 0)
            return true;
    }
    return false;
}

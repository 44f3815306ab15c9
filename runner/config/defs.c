/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of our own settings: the only place where a key, flag, bound or default is spelled.
 */
#include "config/settings.h"

#define MINUTES (60 * NSEC_PER_SEC)
#define WEEK    (INT64_C(7) * 24 * 60 * MINUTES)
#define MIB     (INT64_C(1) << 20)

#define FIELD(name) .offset = offsetof(struct cleanroom_settings, name)
/* A deadline of a phase. */
#define TIMEOUT(phase, def, text)                                                                  \
    {                                                                                              \
        .key = "timeouts." #phase, .flag = #phase "-timeout", .type = SETTING_DURATION,            \
        FIELD(phase##_timeout), .min = NSEC_PER_MSEC, .max = WEEK, .fallback = (def),              \
        .argument = "TIME", .doc = (text), .group = SETTING_GROUP_TIMEOUTS,                        \
    }

static const char *const pull_names[] = {
    [PULL_MISSING] = "missing", [PULL_ALWAYS] = "always", [PULL_NEVER] = "never", NULL};
static const char *const network_names[] = {[NETWORK_NONE] = "none",
                                            [NETWORK_OUTSIDE] = "outside",
                                            [NETWORK_HOST_NAT] = "host-nat",
                                            [NETWORK_PASTA] = "pasta",
                                            NULL};
static const char *const engine_names[] = {
    [ENGINE_AUTO] = "auto", [ENGINE_EMBEDDED] = "embedded", [ENGINE_DOCKER] = "docker", NULL};
static const char *const scratch_names[] = {
    [SCRATCH_MEMORY] = "memory", [SCRATCH_DISK] = "disk", NULL};
static const char *const color_names[] = {
    [COLOR_AUTO] = "auto", [COLOR_ALWAYS] = "always", [COLOR_NEVER] = "never", NULL};

const struct setting_def setting_defs[] = {
    {.key = "shards",
     .flag = "shards",
     .short_flag = 'n',
     .type = SETTING_INT,
     FIELD(shards),
     .min = 1,
     .max = 1000,
     .fallback = "1",
     .argument = "N",
     .doc = "private worlds to run side by side",
     .group = SETTING_GROUP_RUN},
    {.key = "deploy",
     .flag = "deploy",
     .type = SETTING_BOOL,
     FIELD(deploy),
     .fallback = "false",
     .doc = "run the image's 'deploy' before its 'test'",
     .group = SETTING_GROUP_RUN},
    {.key = "results",
     .flag = "results",
     .short_flag = 'r',
     .type = SETTING_STRING,
     FIELD(results),
     .fallback = "cleanroom-results",
     .argument = "DIR",
     .doc = "report and logs",
     .group = SETTING_GROUP_RUN},
    {.key = "pull",
     .flag = "pull",
     .type = SETTING_ENUM,
     FIELD(pull),
     .names = pull_names,
     .fallback = "missing",
     .argument = "WHEN",
     .doc = "pull images",
     .group = SETTING_GROUP_RUN},
    {.key = "network",
     .flag = "network",
     .type = SETTING_ENUM,
     FIELD(network),
     .names = network_names,
     .fallback = "none",
     .argument = "MODE",
     .doc = "way out",
     .group = SETTING_GROUP_RUN},
    {.key = "memory",
     .flag = "memory",
     .type = SETTING_SIZE,
     FIELD(memory),
     .min = 6 * MIB,
     .max = INT64_MAX,
     .argument = "SIZE",
     .doc = "limit of each app container, as 2g",
     .group = SETTING_GROUP_RUN},
    {.key = "scratch",
     .flag = "scratch",
     .type = SETTING_ENUM,
     FIELD(scratch),
     .names = scratch_names,
     .fallback = "memory",
     .argument = "WHERE",
     .doc = "what is written, embedded",
     .group = SETTING_GROUP_RUN},
    {.key = "start-limit",
     .flag = "start-limit",
     .type = SETTING_INT,
     FIELD(start_limit),
     .min = 0,
     .max = 1000,
     .fallback = "0",
     .argument = "N",
     .doc = "shards coming up and starts at once, 0 = by CPUs",
     .group = SETTING_GROUP_RUN},

    TIMEOUT(pull, "10m", "all images together"),
    TIMEOUT(start, "60s", "a shard's services, until ready"),
    TIMEOUT(deploy, "10m", "a shard's deploy"),
    TIMEOUT(test, "1h", "a shard's tests"),
    TIMEOUT(teardown, "30s", "removing everything"),

    {.key = "engine",
     .flag = "engine",
     .type = SETTING_ENUM,
     FIELD(engine),
     .names = engine_names,
     .fallback = "auto",
     .argument = "WHICH",
     .doc = "container engine",
     .group = SETTING_GROUP_ENGINE},
    {.key = "host",
     .flag = "host",
     .short_flag = 'H',
     .type = SETTING_STRING,
     FIELD(host),
     .argument = "URL",
     .doc = "a daemon, as in DOCKER_HOST",
     .group = SETTING_GROUP_ENGINE},
    {.key = "context",
     .flag = "context",
     .type = SETTING_STRING,
     FIELD(context),
     .argument = "NAME",
     .doc = "a docker context",
     .group = SETTING_GROUP_ENGINE},

    {.key = "color",
     .flag = "color",
     .type = SETTING_ENUM,
     FIELD(color),
     .names = color_names,
     .fallback = "auto",
     .argument = "WHEN",
     .doc = "colours",
     .group = SETTING_GROUP_OUTPUT},
    {.key = "quiet",
     .flag = "quiet",
     .short_flag = 'q',
     .type = SETTING_BOOL,
     FIELD(quiet),
     .fallback = "false",
     .doc = "no live lines of the tests",
     .group = SETTING_GROUP_OUTPUT},
    {.key = "verbose",
     .flag = "verbose",
     .short_flag = 'v',
     .type = SETTING_INT,
     FIELD(verbose),
     .min = 0,
     .max = 2,
     .fallback = "0",
     .doc = "say every state change; twice: every request",
     .group = SETTING_GROUP_OUTPUT},
};
const size_t setting_def_count = ARRAY_SIZE(setting_defs);

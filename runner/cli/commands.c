/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of commands.
 */
#include "cli/cmds.h"

#define BIT(group) (1u << SETTING_GROUP_##group)
#define ALL_GROUPS ((1u << SETTING_GROUPS) - 1)

static const struct option_def recycle_options[] = {
    {.flag = "dry-run",
     .kind = OPTION_SWITCH,
     .group = SETTING_GROUP_RUN,
     .doc = "say what would be removed, and leave it"},
};

static const struct option_def run_options[] = {
    {.flag = "plan",
     .kind = OPTION_TEXT,
     .group = SETTING_GROUP_TESTS,
     .argument = "FILE",
     .doc = "of 'plan -o': what all slices have in common"},
};

static const struct option_def plan_options[] = {
    {.flag = "output",
     .short_flag = 'o',
     .kind = OPTION_TEXT,
     .group = SETTING_GROUP_TESTS,
     .argument = "FILE",
     .doc = "write it for 'run --plan', tests and images pinned"},
};

static const struct option_def replay_options[] = {
    {.flag = "shard",
     .kind = OPTION_TEXT,
     .group = SETTING_GROUP_RUN,
     .argument = "K",
     .doc = "which one"},
};

static const struct option_def shell_options[] = {
    {.flag = "shard",
     .kind = OPTION_TEXT,
     .group = SETTING_GROUP_RUN,
     .argument = "K",
     .doc = "which one of the N it is (default 1)"},
    {.flag = "run",
     .kind = OPTION_TEXT,
     .group = SETTING_GROUP_RUN,
     .argument = "RUN",
     .doc = "inside what that run keeps (--keep): no IMAGE then"},
};

static const char *const merge_settings[] = {"results", "expect", "junit-dialect", NULL};

static const struct option_def image_options[] = {
    {.flag = "name",
     .kind = OPTION_TEXT,
     .group = SETTING_GROUP_RUN,
     .argument = "REFERENCE",
     .doc = "load: what to call it, instead of its own names"},
    {.flag = "all",
     .kind = OPTION_SWITCH,
     .group = SETTING_GROUP_RUN,
     .doc = "prune: all images that no run uses"},
};

static const struct option_def serve_options[] = {
    {.flag = "port",
     .kind = OPTION_TEXT,
     .group = SETTING_GROUP_RUN,
     .argument = "PORT",
     .doc = "of 127.0.0.1, instead of a free one"},
};

static const struct option_def services_options[] = {
    {.flag = "markdown",
     .kind = OPTION_SWITCH,
     .group = SETTING_GROUP_RUN,
     .doc = "as the table in README.md"},
};

const struct command commands[] = {
    {.name = "run",
     .synopsis = "[OPTIONS] IMAGE [-- ARGUMENTS OF THE TESTS]",
     .doc = "Test an image, each shard among fresh services of its own",
     .groups = ALL_GROUPS,
     .max_words = 1,
     .takes_args = true,
     .options = run_options,
     .option_count = ARRAY_SIZE(run_options),
     .run = cmd_run},
    {.name = "replay",
     .synopsis = "[OPTIONS] RESULTS --shard K",
     .doc = "Run again just what one shard of an earlier run ran",
     .groups = ALL_GROUPS,
     .max_words = 1,
     .options = replay_options,
     .option_count = ARRAY_SIZE(replay_options),
     .run = cmd_replay},
    {.name = "plan",
     .synopsis = "[OPTIONS] IMAGE [-- ARGUMENTS OF THE TESTS]",
     .doc = "Print what a run would do, and where each value comes from",
     .groups = ALL_GROUPS,
     .max_words = 1,
     .takes_args = true,
     .options = plan_options,
     .option_count = ARRAY_SIZE(plan_options),
     .run = cmd_plan},
    {.name = "merge",
     .synopsis = "[OPTIONS] [PLAN.JSON] JUNIT.XML...",
     .doc = "Join the reports of --slices, and prove that none is missing",
     .groups = BIT(CONFIG) | BIT(OUTPUT),
     .settings = merge_settings,
     .max_words = 1001,
     .run = cmd_merge},
    {.name = "serve",
     .synopsis = "[OPTIONS] IMAGE [-- ARGUMENTS OF THE APP]",
     .doc = "Deploy and serve an image at a port of this machine",
     .groups = ALL_GROUPS,
     .max_words = 1,
     .takes_args = true,
     .options = serve_options,
     .option_count = ARRAY_SIZE(serve_options),
     .run = cmd_serve},
    {.name = "shell",
     .synopsis = "[OPTIONS] IMAGE [COMMAND [ARGUMENTS]]",
     .doc = "Go inside a shard: a shell, or COMMAND by the image's entry",
     .groups = ALL_GROUPS,
     .max_words = 1,
     .takes_args = true,
     .passes_rest = true,
     .options = shell_options,
     .option_count = ARRAY_SIZE(shell_options),
     .run = cmd_shell},
    {.name = "services",
     .synopsis = "[--markdown | NAME]",
     .doc = "List the services, what each tells the app and takes",
     .max_words = 1,
     .options = services_options,
     .option_count = ARRAY_SIZE(services_options),
     .run = cmd_services},
    {.name = "recycle",
     .synopsis = "[OPTIONS] [RUN]",
     .doc = "Remove what dead runs left behind, or all of one RUN",
     .groups = BIT(CONFIG) | BIT(ENGINE) | BIT(OUTPUT),
     .max_words = 1,
     .options = recycle_options,
     .option_count = ARRAY_SIZE(recycle_options),
     .run = cmd_recycle},
    {.name = "doctor",
     .synopsis = "[OPTIONS]",
     .doc = "Say what each engine has and lacks on this machine",
     .groups = BIT(CONFIG) | BIT(ENGINE) | BIT(OUTPUT),
     .run = cmd_doctor},
    {.name = "image",
     .synopsis = "load FILE|DIR|- | ls | rm REFERENCE|ID... | prune",
     .doc = "Load, list and remove images that are kept",
     .groups = BIT(CONFIG) | BIT(ENGINE) | BIT(OUTPUT),
     .max_words = 1000,
     .options = image_options,
     .option_count = ARRAY_SIZE(image_options),
     .run = cmd_image},
    {.name = "version", .synopsis = "", .doc = "Print the version", .run = cmd_version},
    {.name = "help",
     .synopsis = "[COMMAND]",
     .doc = "Explain a command",
     .max_words = 1,
     .run = cmd_help},
};
const size_t command_count = ARRAY_SIZE(commands);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings: what the user asked for, merged from all layers; each value knows where it came from.
 *
 * First hit wins:
 *   1. command line          --postgres.port 5433, --shards 4
 *   2. environment           CLEANROOM_SHARDS=4 (our own keys only)
 *   3. user's project file   $XDG_CONFIG_HOME/forklift/<application_id>.yaml
 *   4. user's defaults       $XDG_CONFIG_HOME/forklift/_default.yaml
 *   5. project file          ./forklift.yaml (or --file)
 *   6. built in
 * Layers 3 and 4 are not read with --no-user-config or when CI is "true": a clean room must not
 * depend on a person's home. `environment` and service overrides merge key by key across layers;
 * `services` does not merge. A service defined below `cleanroom: services` is known to the file it
 * stands in and to higher layers, where another definition of that name replaces it. Format:
 * docker-forklift's README; our own keys live under `cleanroom:`.
 */
#ifndef CLEANROOM_SETTINGS_H
#define CLEANROOM_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include <cleanroom/clock.h>
#include <cleanroom/declaration.h>
#include <cleanroom/engine.h>
#include <cleanroom/error.h>
#include <cleanroom/junit.h>
#include <cleanroom/provider.h>
#include <cleanroom/vec.h>

#include "config/nearest.h"

/* A string with its origin: "forklift.yaml:3:5", "--environment", "CLEANROOM_SHARDS", "default". */
struct setting {
    char *value;
    char *source;
};

struct env_setting {
    char *key;
    struct setting set;
};

struct override_setting {
    char *key; /* known to the provider; lists joined by '|', `environment` as K=V lines */
    struct setting set;
};

struct service_setting {
    const struct provider *provider;
    char *name;                      /* its key: the provider's name, or that of a definition */
    char *defined;                   /* where it is defined, or NULL: built in */
    struct declaration *declaration; /* what the provider is part of; NULL: a built-in provider */
    char *source;                    /* of the `services` entry */
    VEC(struct override_setting) overrides;
};

enum color_mode {
    COLOR_AUTO,
    COLOR_ALWAYS,
    COLOR_NEVER,
};

/* Where the embedded engine keeps what containers write. */
enum scratch_place {
    SCRATCH_MEMORY,
    SCRATCH_DISK,
};

/* Where the app's `deploy` is run. */
enum deploy_mode {
    DEPLOY_NO,
    DEPLOY_EACH, /* in every shard */
    DEPLOY_ONCE, /* in a world of its own, of which every shard is a clone */
};

/* Which shards' worlds stay when the run is over. */
enum keep_mode {
    KEEP_NO,
    KEEP_FAILED,
    KEEP_ALWAYS,
};

/* What the target is. */
enum driver_choice {
    DRIVER_AUTO,   /* a program when it is the path of one, else an image */
    DRIVER_DOCKER, /* an image, whatever the engine; Forklift's word */
    DRIVER_DIRECT, /* a program of this machine */
};

/* Who divides the tests among the shards. */
enum split_mode {
    SPLIT_ENV,     /* the app's runner, by the variables of its shard */
    SPLIT_LIST,    /* we, by their number */
    SPLIT_TIMINGS, /* we, by their durations */
    SPLIT_QUEUE,   /* shards take the next ones as they finish */
};

/* What a shard gets as a whole. */
enum granule {
    GRANULE_AUTO, /* the finest that the runner can run exactly */
    GRANULE_TEST,
    GRANULE_CLASS,
    GRANULE_FILE,
};

enum test_order {
    ORDER_LISTED,
    ORDER_RANDOM,
};

/* In what form failures are said on standard output, for the system that runs us. */
enum annotations {
    ANNOTATIONS_AUTO, /* by its variables */
    ANNOTATIONS_NEVER,
    ANNOTATIONS_GITHUB,
    ANNOTATIONS_TEAMCITY,
    ANNOTATIONS_BUILDKITE,
};

/* The values of our own keys, decoded. One row each in setting_defs[]. */
struct cleanroom_settings {
    int64_t shards; /* 1..1000 */
    enum deploy_mode deploy;
    enum driver_choice driver;
    bool snapshots; /* services that take long to initialise start from a copy that has */
    enum keep_mode keep;
    enum pull_policy pull;
    enum network_mode network;
    char *results;       /* directory */
    int64_t start_limit; /* engine starts in flight, 0 = the engine's CPUs decide */
    uint64_t memory;     /* per app container, bytes, 0 = none */
    uint64_t cpus;       /* per app container, thousandths of a CPU, 0 = none */
    int64_t pids;        /* per app container, processes and threads, 0 = none */
    char *runner;        /* of split/presets.h, or NULL */
    enum split_mode split;
    enum granule granularity;
    struct strvec list; /* a command of the image that prints the tests; none: the runner's */
    char *list_file;    /* of this machine, or NULL */
    char *list_format;  /* of split/list.h, or NULL: the runner's, or plain */
    struct strvec part; /* by which `test` is handed some tests; none: the runner's */
    char *timings;      /* file of this machine */
    char *reports;      /* glob in the app's container, or NULL */
    char *reader;       /* "auto", "none", or a format of <cleanroom/reader.h> */
    int64_t expect;     /* tests, 0 = nobody knows */
    int64_t retries;    /* of failed tests, 0..20 */
    bool fail_on_flaky, fail_fast;
    int64_t repeat; /* 1.. */
    bool until_fail;
    enum test_order order;
    int64_t seed; /* 0 = a new one */
    char *slice;  /* "2/3", "auto", or NULL */
    enum junit_dialect junit_dialect;
    enum annotations annotations;
    nsec_t pull_timeout, start_timeout, deploy_timeout, test_timeout, teardown_timeout;
    enum engine_choice engine;
    enum scratch_place scratch;
    char *host, *context; /* engine endpoint, or NULL */
    uint64_t image_cache; /* the image store's limit in bytes, 0 = none */
    enum color_mode color;
    bool quiet;      /* no live lines */
    int64_t verbose; /* 0..2: LOG_WARNING, DEBUG, TRACE */
};

struct settings {
    struct setting image;          /* the target; value NULL when none was named */
    struct strvec test_args;       /* after "--" */
    bool serve;                    /* `cleanroom serve`: deploy, and then the app itself */
    uint16_t serve_port;           /* serve: of this machine; 0: one that is free */
    char *plan_output;             /* `plan -o`: the file that is to pin what the run would be */
    char *plan_input;              /* `run --plan`: that file; NULL: there is none */
    int only_shard;                /* replay: just this one of all (1-based), or 0 */
    const struct strvec *given;    /* replay: its tests, "" between rounds; NULL: as its variables
                                      say. Borrowed */
    struct setting application_id; /* default: base name of the current directory */
    VEC(struct service_setting) services;
    VEC(struct env_setting) environment;
    struct cleanroom_settings own;
    struct setting
        *own_sources; /* parallel to setting_defs[]: text ("" = none) and source of each own key */
};

enum setting_type {
    SETTING_BOOL, /* --flag / --no-flag; yaml true/false; variable 1/0/true/false/yes/no */
    SETTING_INT,
    SETTING_SIZE,     /* bytes: 512m, 2g */
    SETTING_MILLI,    /* thousandths: 2, 1.5, 0.25 */
    SETTING_DURATION, /* nsec_t: 90, 90s, 5m, 1h30m, 250ms */
    SETTING_STRING,
    SETTING_WORDS, /* yaml list; text is split as a shell does */
    SETTING_ENUM,
    SETTING_BOOL_ENUM, /* as BOOL (false: the first name, true: the second), or as ENUM */
};

/* Headings of --help, in its order; a command takes the options of some of them. */
enum setting_group {
    SETTING_GROUP_RUN,
    SETTING_GROUP_TESTS,
    SETTING_GROUP_SERVICES, /* what is not below `cleanroom:` */
    SETTING_GROUP_CONFIG,   /* which files are read */
    SETTING_GROUP_TIMEOUTS,
    SETTING_GROUP_ENGINE,
    SETTING_GROUP_OUTPUT,
    SETTING_GROUPS,
};

/* One of our own keys: this row is its YAML key, flag, variable, help line and decoder. */
struct setting_def {
    const char *key;  /* below `cleanroom:`; a dot nests: "timeouts.start" */
    const char *flag; /* without "--"; its variable is CLEANROOM_<FLAG>, dashes as underscores */
    char short_flag;  /* or 0 */
    enum setting_type type;
    size_t offset;            /* in struct cleanroom_settings */
    int64_t min, max;         /* INT, SIZE, DURATION (nanoseconds); 0,0 = no bounds */
    const char *const *names; /* ENUM: NULL-terminated, index = value */
    const char *fallback;     /* default, as text; NULL: zero, or no string */
    const char *argument;     /* "N", "DIR", "TIME" in help; an INT without one counts its flags */
    const char *doc;          /* one line */
    enum setting_group group;
};
extern const struct setting_def setting_defs[];
extern const size_t setting_def_count;

/* What the command line said, in its order, before anything is decoded. */
struct cli_value {
    const char *name;  /* flag without dashes: "shards", "postgres.port", "environment" */
    const char *value; /* as text */
};

struct settings_input {
    const char *image;            /* or NULL */
    const char *const *test_args; /* NULL-terminated, or NULL */
    const struct cli_value *cli;
    size_t cli_count;
    const char *project_file; /* --file, or NULL for ./forklift.yaml if it exists */
    bool no_user_config;
    const char *const *environ; /* the process's own */
    const char *directory;      /* where it runs: names application_id, finds the files */
};

/* Merges and checks everything; the first thing wrong is the error (with file:line:column, the
   line, a caret and the nearest valid name), and nothing is half-valid afterwards. */
int settings_load(struct settings *out, const struct settings_input *in, struct error *err);
void settings_deinit(struct settings *s);

/* Whether what is written to this descriptor is to be coloured. */
bool settings_want_color(const struct settings *s, int fd);

/* Which engine they ask for; borrows from them. */
struct engine_options settings_engine(const struct settings *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan: everything decided before anything is started. What is not in the plan does not happen.
 *
 * Immutable after plan_make(), but for the image ids, which the engine fills in once.
 */
#ifndef CLEANROOM_PLAN_H
#define CLEANROOM_PLAN_H

#include <stdio.h>

#include <cleanroom/provider.h>
#include <cleanroom/vec.h>

#include "config/settings.h"
#include "config/slice.h"

/* Where the three volumes of a shard appear in its containers. */
#define PLAN_STORAGE "/storage"
#define PLAN_STATIC  "/static"
#define PLAN_SCRATCH "/cleanroom"

/* The volume by which all pods reach what they share, in their holders alone. */
#define PLAN_COMMONS "/commons"

#define PLAN_PORT 8000 /* the app's own, when it serves */

/* Below PLAN_SCRATCH; made by the satellite, writable by anybody. */
#define PLAN_COLLECT     PLAN_SCRATCH "/collect" /* fetched when the tests end */
#define PLAN_STATUS_FILE PLAN_COLLECT "/shard-status"
#define PLAN_XML_DIR     PLAN_COLLECT "/xml"
#define PLAN_OUTPUTS     PLAN_COLLECT "/outputs"
#define PLAN_TMP         PLAN_SCRATCH "/tmp"

struct plan_service {
    const struct provider *provider;
    const struct service_setting *setting; /* by which it is there; borrowed */
    bool shared;                           /* one for all shards, in the commons */
    int index;                             /* 0-based: one of so many as its `count` says */
    char *name; /* unique within the shard: the service's key, 'memcache-2' for the second */
    struct service_plan spec; /* app_env: the first has it for all of its count */
};

struct plan_shard {
    int number;    /* 1-based; 0: the seed, the commons */
    char *address; /* loopback address of this machine at which the app finds its services, when it
                      is a program of it; or NULL */
    char *scratch; /* with address: a directory of this machine, in place of PLAN_SCRATCH */
    VEC(struct plan_service) services;
    /* K=V, sorted by K. Later wins: Pallet, services, shard variables, the user's `environment`.
       Nothing of the process's own environment, where an outer CI's shard variables may be set. */
    struct strvec app_env;
};

/* An image the run needs; each reference once. */
struct plan_image {
    char *ref;
    char *used_by; /* "app", "postgres", ... */
};

struct plan {
    const struct settings *settings; /* borrowed */
    char *run_id;                    /* 12 hex digits */
    char *program;                   /* the target's absolute path, or NULL: it is an image */
    char *site;                      /* SITE_DOMAIN: where the app's own port is */
    uint16_t serve_port;             /* `serve`: the same of this machine, else 0 */
    VEC(struct plan_image) images;
    VEC(struct plan_shard) shards;
    struct slice slice; /* this machine's: 1 of 1 when it is the only one */
    /* Which of the shards it runs: shards.items[first_shard] and its successors. */
    int first_shard, shard_count;
    /* The world that snapshots are made in; like a shard, but no shard's number. */
    struct plan_shard seed;
    /* The world in which what all shards share runs: planned like a shard, so that each service has
       the same place in all of them. Nothing is shared: it has no services. */
    struct plan_shard commons;
    enum deploy_mode deploy;
    struct strvec test_argv;   /* "test" and what followed "--" */
    struct strvec deploy_argv; /* "deploy" */
    struct strvec secrets;     /* everything `cleanroom plan` masks */
};

/* random fills `len` bytes; tests pass a fixed one, NULL means getrandom(2). */
int plan_make(struct plan *out, const struct settings *settings,
              int (*random)(void *bytes, size_t len), struct error *err);
void plan_deinit(struct plan *plan);

/* text with everything in plan->secrets, and the password of any URL, replaced by "******"; release
   with free(). */
char *plan_mask(const struct plan *plan, const char *text);

/* For a person: every value with its source, secrets masked. */
void plan_print(const struct plan *plan, FILE *out);

#endif

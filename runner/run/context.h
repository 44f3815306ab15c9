/* SPDX-License-Identifier: Apache-2.0 */
/* What all parts of one run share; made by run.c, borrowed by the others. */
#ifndef CLEANROOM_CONTEXT_H
#define CLEANROOM_CONTEXT_H

#include <cleanroom/engine.h>
#include <cleanroom/result.h>

#include "config/plan.h"
#include "report/console.h"
#include "report/journal.h"
#include "run/deploy.h"
#include "run/gate.h"
#include "run/ledger.h"
#include "run/snapshot.h"

/* Worlds besides the shards, in place of a shard's number. */
enum {
    CONTEXT_SEED = RESULTS_SEED,       /* deployed to once */
    CONTEXT_BAKE = RESULTS_BAKE,       /* services are initialised in it */
    CONTEXT_COMMONS = RESULTS_COMMONS, /* what all shards share */
};

struct division;
struct shard;
struct shell;

struct run_context {
    const struct settings *settings;
    const struct plan *plan;
    struct loop *loop;
    struct engine *engine;
    struct ledger *ledger;
    struct gate *starts;  /* engine starts in flight */
    struct gate *holders; /* the same for the pods' holders, which enter the network */
    struct gate *pods;    /* shards that come up */
    struct journal *journal;
    struct console *console;
    struct result *result;
    int results_dir;                                /* open directory */
    const char *owner;                              /* value of LABEL_OWNER */
    const char *satellite;                          /* image id of the holder */
    const char *network;                            /* name of the run's network, or NULL */
    struct image_info *images;                      /* parallel to plan->images, once resolved */
    struct snapshot *snapshots;                     /* parallel to plan->seed.services */
    struct shell *shell;                            /* in place of tests, or NULL */
    struct division *division;                      /* of the tests among the shards */
    void (*on_failed)(void *data, struct shard *s); /* --fail-fast: a shard's tests have failed */
    void *on_failed_data;
    struct deploy *deploy;       /* what every shard is a copy of, or NULL */
    const struct shard *commons; /* what they share, or NULL */
};

/* The image of a reference the plan named. */
const struct image_info *context_image(const struct run_context *ctx, const char *ref);

/* Whether ports of pods are to be reached from this machine. */
bool context_publishes(const struct run_context *ctx);
/* Whether pods are to be on a network of the run's: a daemon publishes ports by one. */
bool context_needs_network(const struct run_context *ctx);

/* "cleanroom-RUN-2-postgres", "cleanroom-RUN-seed-postgres": in the engine; release with free(). */
char *context_name(const struct run_context *ctx, int shard, const char *what);
/* "shard 2 postgres", "seed postgres": in the journal; release with free(). what: or "". */
char *context_subject(int shard, const char *what);

/* Labels of an object of this run. shard 0 or less: of the whole run. */
struct labels context_labels(const struct run_context *ctx, int shard, const char *role);

/* When teardown that begins now has to be over. */
nsec_t context_teardown_deadline(const struct run_context *ctx);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A run from inside, for its parts in other files. */
#ifndef CLEANROOM_RUN_PARTS_H
#define CLEANROOM_RUN_PARTS_H

#include "run/bake.h"
#include "run/commons.h"
#include "run/context.h"
#include "run/division.h"
#include "run/front.h"
#include "run/janitor.h"
#include "run/prepare.h"
#include "run/shard.h"
#include "run/shell.h"
#include "run/sweep.h"
#include "run/visit.h"

enum run_state {
    RUN_PREPARE, /* images, satellite, network */
    RUN_BAKE,    /* snapshots that are missing */
    RUN_DEPLOY,  /* once, for all shards */
    RUN_SHARDS,
    RUN_KEPT,  /* it is over and told, but some shards stay */
    RUN_SWEEP, /* what belongs to the whole run goes; then a look whether anything is left */
    RUN_DONE,
};

struct run {
    struct run_context ctx;
    enum run_state state;
    bool stop; /* leave the loop */
    struct plan plan;
    struct result result;
    struct ledger ledger;
    struct gate starts, holders, pods;
    struct janitor janitor;
    struct prepare prepare;
    struct bake bake, deploy;
    struct division division;
    struct loop_timer renewal; /* of shards that go on in a fresh world */
    struct shard *shards;
    size_t shard_count, shards_done, shards_kept;
    struct commons commons;
    struct front *front; /* NULL: nothing is kept */
    struct visits *visits;
    bool concluded;
    bool plans; /* nothing is to run but what makes the plan: see planning.h */
    struct engine_op *events;
    struct loop_timer events_timer;
    int events_retries;
    struct loop_timer report_timer;
    struct sweep sweep;
    int signal_fd;
    int signal;         /* the first one that told us to stop, or 0 */
    struct error error; /* why the run as a whole failed */
    nsec_t started_at;
    char *passing; /* a directory for logs that nobody asked for, or NULL */
};

#endif

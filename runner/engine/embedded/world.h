/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run's world, as main sees it: its keeper, the calls that wait for the keeper's answers, and
 * what lies outside for those who come later.
 */
#ifndef EMBEDDED_WORLD_H
#define EMBEDDED_WORLD_H

#include <cleanroom/engine.h>

#include "engine/embedded/keeper.h"
#include "engine/embedded/message.h"
#include "engine/embedded/trace.h"

struct world;
struct call;
struct done_op;

/* Called once from the loop, also when the keeper ends before it answers (ENGINE_FAILED). op: NULL
   when nobody waits any more. */
typedef void (*call_fn)(struct world *w, struct call *call, const struct answer *answer);

struct call {
    uint32_t number; /* the request's */
    call_fn answered;
    uint32_t object; /* what it is about, or 0 */
    void *subject;   /* what else answered wants to know, or NULL */
    struct engine_op *op;
};

struct embedded;

struct world {
    struct embedded *engine;
    struct world *next;
    struct trace trace;
    char *root; /* the keeper's directory */
    struct cgroup_places cgroups;
    struct outside outside; /* how pods that may get out do */
    bool warned;            /* that limits are not held */
    struct keeper_handle keeper;
    struct error failure; /* set: it is dead */
    uint32_t last_number;
    VEC(struct call) calls;
    VEC(struct wire) outbox; /* what the socket did not take */
    struct done_op *removal;
    bool ended; /* the keeper has */
    struct loop_timer timer;
};

struct world *world_new(struct embedded *e, const char *run, const char *owner, struct error *err);
/* Ends its keeper without waiting. The directory stays. */
void world_free(struct world *w);

/* Sends a request (fds are taken over) and enters the call; the number of both is set. */
void world_call(struct world *w, struct request *request, const int *fds, size_t fd_count,
                const struct call *call);
/* Nobody waits for it any more. */
void world_forget(struct world *w, const struct engine_op *op);

/* Ends it for good: op, whose world is w, is finished when nothing is left. w is gone then. */
void world_remove(struct world *w, struct done_op *op);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Programs of this machine, as the engine's containers: created, run, ended, forgotten. */
#ifndef DIRECT_LOCAL_H
#define DIRECT_LOCAL_H

#include "engine/direct/flight.h"
#include "engine/direct/supervisor.h"

enum local_phase {
    LOCAL_CREATED,
    LOCAL_RUNNING,
    LOCAL_ENDED,
};

struct locals {
    struct loop *loop;
    const char *scratch; /* borrowed; see direct_open() */
    VEC(struct local *) items;
};

struct local {
    struct locals *all;
    char *name;
    char *mark; /* in its environment, and in that of no other shard */
    struct strvec argv, env;
    enum local_phase phase;
    bool dropping; /* forgotten when it has ended */
    struct supervisor supervisor;
    int exit_code;
    int out[2];                          /* where its output comes from; -1: at its end */
    struct engine_op *attach, *removing; /* or NULL */
};

/* NULL: there is none of that name. */
struct local *local_find(const struct locals *all, const char *name);
/* Makes its directories. */
int local_create(struct locals *all, const struct container_spec *spec, struct error *err);
/* CREATED; when it fails it has ENDED. */
int local_start(struct local *l, struct error *err);
/* Whether it runs and is sent it. */
bool local_signal(const struct local *l, int number);
/* Who hears its output, settled when it has ended and all was delivered. CREATED. */
void local_attach(struct local *l, struct engine_op *op);
/* Ends what RUNS; op is settled when it has ended and is forgotten. */
void local_end(struct local *l, struct engine_op *op);
/* Forgets it; it does not run. */
void local_drop(struct local *l);

/* Ends them all, and waits for it. Their operations are gone. */
void locals_deinit(struct locals *all);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The removal of one object, repeated until it is confirmed or the deadline passes.
 *
 * "Still in use", "removal in progress" and an engine that is just restarting are asked again, from
 * 10 ms upward. A confirmed removal strikes the object from the ledger.
 */
#ifndef CLEANROOM_REMOVAL_H
#define CLEANROOM_REMOVAL_H

#include <cleanroom/engine.h>

#include "run/ledger.h"

/* Embedded; all private but where it says otherwise. */
struct removal {
    struct engine *engine;
    struct loop *loop;     /* the engine's, which it outlives */
    struct ledger *ledger; /* or NULL */
    enum object_kind kind;
    const char *name;
    nsec_t deadline, pause;
    nsec_t retry_until; /* the deadline, or earlier: no new request after it (not private) */
    struct engine_op *op;
    struct loop_timer timer;
    void (*done)(void *data);
    void *data;
    bool left;        /* after done: it could not be removed (not private) */
    struct error why; /* the last reason why not (not private) */
};

/* name must live until done(data), which is called once, from the loop. */
void removal_begin(struct removal *r, struct engine *engine, struct ledger *ledger,
                   enum object_kind kind, const char *name, nsec_t deadline,
                   void (*done)(void *data), void *data);
/* After done, when never begun, or when the engine is freed. */
void removal_deinit(struct removal *r);

#endif

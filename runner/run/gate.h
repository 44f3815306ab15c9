/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounds how many containers the engine starts at the same time. The lowest shard goes first, so
 * that the first shards test while the last still come up.
 */
#ifndef CLEANROOM_GATE_H
#define CLEANROOM_GATE_H

#include <stdbool.h>

#include <cleanroom/loop.h>

/* Embedded by whoever waits. */
struct gate_ticket {
    enum { TICKET_IDLE, TICKET_WAITING, TICKET_INSIDE } place;
    int priority; /* lower goes first; equal: first come, first served */
    void (*enter)(void *data);
    void *data;
    struct gate_ticket *next;
};

struct gate {
    struct loop *loop;
    int limit; /* 0 = none */
    int inside;
    struct gate_ticket *waiting;
    struct loop_timer timer;
};

void gate_init(struct gate *g, struct loop *loop, int limit);
void gate_deinit(struct gate *g);
/* enter(data) is called from the loop when it is the ticket's turn. */
void gate_queue(struct gate *g, struct gate_ticket *t, int priority, void (*enter)(void *data),
                void *data);
/* Leaves the queue or the inside. Harmless when idle. */
void gate_leave(struct gate *g, struct gate_ticket *t);

#endif

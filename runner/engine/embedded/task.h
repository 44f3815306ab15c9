/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An operation of the embedded engine in flight.
 *
 * An op class embeds struct engine_op first. task_finish() is the only way out and is taken exactly
 * once, from the loop: what is known at once is left in `outcome` by task_settle(), for the timer.
 */
#ifndef EMBEDDED_TASK_H
#define EMBEDDED_TASK_H

#include <cleanroom/engine.h>

struct embedded;

struct task_class {
    /* Calls the caller's callback. err is not NULL with ENGINE_FAILED and ENGINE_CANCELLED. */
    void (*complete)(struct engine_op *op, enum engine_outcome outcome, const struct error *err);
    /* Lets go of what the class has, before the completion or without one; or NULL. The op is not
       to be finished by anybody else any more. */
    void (*detach)(struct engine_op *op);
    /* Releases what the class added, not the op itself; or NULL. */
    void (*release)(struct engine_op *op);
};

struct engine_op {
    const struct task_class *class;
    struct embedded *engine;
    struct engine_op *next;
    struct engine_op **link; /* what points at us */
    void *data;              /* the caller's */
    nsec_t deadline;
    struct loop_timer timer; /* its deadline, or what finishes it from the loop */
    bool cancelled;
    bool settled; /* finish with outcome and failure */
    enum engine_outcome outcome;
    struct error failure;
};

/* A zeroed op of `size` bytes whose first member is the engine_op. */
void *task_new(struct engine *engine, const struct task_class *class, size_t size, nsec_t deadline,
               void *data);
/* Completes and frees. err: NULL, or set with ENGINE_FAILED. */
void task_finish(struct engine_op *op, enum engine_outcome outcome, const struct error *err);
/* The same soon, from the loop. err is emptied; may be NULL. */
void task_settle(struct engine_op *op, enum engine_outcome outcome, struct error *err);
void task_cancel(struct engine_op *op);
/* Frees without completing. */
void task_drop(struct engine_op *op);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An operation of the engine in flight: a chain of requests with one completion at its end.
 *
 * An op class embeds struct engine_op first in a struct of its own that keeps what it needs between
 * its requests and the caller's callback. op_finish() is the only way out and is taken exactly
 * once.
 */
#ifndef DOCKER_OP_H
#define DOCKER_OP_H

#include <cleanroom/engine.h>

#include "engine/docker/http.h"

struct docker {
    struct engine engine; /* first: what the caller holds */
    struct http http;
    bool podman;
    int64_t since;           /* the engine's clock when it was greeted, seconds since the epoch */
    char *config_dir;        /* where config.json with the credentials is, or NULL */
    struct engine_op *ops;   /* all in flight */
    struct strvec inputs;    /* containers that have one */
    struct strvec terminals; /* and a terminal as that */
};

struct op_class {
    /* Calls the caller's callback. err is not NULL with ENGINE_FAILED and ENGINE_CANCELLED. */
    void (*complete)(struct engine_op *op, enum engine_outcome outcome, const struct error *err);
    /* Releases what the class added, not the op itself; or NULL. */
    void (*release)(struct engine_op *op);
};

typedef void (*op_answer_fn)(struct engine_op *op, const struct http_answer *answer);

struct engine_op {
    const struct op_class *class;
    struct docker *docker;
    struct engine_op *next;
    struct engine_op **link; /* what points at us */
    nsec_t deadline;
    void *data; /* the caller's */
    struct http_call *call;
    op_answer_fn then;
    struct loop_timer timer; /* finishes what must not finish at once */
    bool cancelled;
    struct error failure; /* to finish with, by the timer */
};

/* A zeroed op of `size` bytes whose first member is the engine_op. */
void *op_new(struct engine *engine, const struct op_class *class, size_t size, nsec_t deadline,
             void *data);

/* Sends the next request (taken over); then() gets the answer and must go on or finish. */
void op_request(struct engine_op *op, struct http_request *request, op_answer_fn then);
/* The same for a stream; handlers' data is the op. handlers->done is ours. */
void op_stream(struct engine_op *op, struct http_request *request, op_answer_fn then,
               const struct http_handlers *handlers);

/* Completes and frees. err: see op_class.complete. */
void op_finish(struct engine_op *op, enum engine_outcome outcome, const struct error *err);
/* Finishes with ENGINE_FAILED and *err (emptied), but from the loop: for use by the begin calls. */
void op_fail_later(struct engine_op *op, struct error *err);
void op_cancel(struct engine_op *op);
/* Frees without completing. */
void op_drop(struct engine_op *op);

/* An answer that means something else than its status says. */
struct op_rule {
    int status;
    const char *words; /* contained in the message, in any case */
    enum engine_outcome outcome;
};
/* What an answer means: by the rules (ended by status 0; or NULL), then by its status. err is set
   with ENGINE_FAILED. */
enum engine_outcome op_outcome(const struct engine_op *op, const struct http_answer *answer,
                               const struct op_rule *rules, struct error *err);

#endif

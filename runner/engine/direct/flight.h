/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of the engine for programs: each completes once, and from the loop. */
#ifndef DIRECT_FLIGHT_H
#define DIRECT_FLIGHT_H

#include <cleanroom/engine.h>

/* All that are under way. */
struct flight {
    struct engine *engine;
    VEC(struct engine_op *) ops;
};

struct engine_op {
    struct flight *flight;
    char *name; /* whom it is about */
    void *data;
    /* Whom it tells: one of the first four. */
    engine_done_fn done;
    engine_state_fn state;
    engine_exit_fn exited;
    engine_image_fn image;
    engine_output_fn output;
    engine_bytes_fn bytes;
    void (*ready)(void *data);
    bool settled, is_ready;
    enum engine_outcome outcome;
    struct container_state found; /* with state */
    struct error failure;
    struct engine_op **known_at; /* where its address stands until it is settled, or NULL */
    struct loop_timer timer;
    int fd;      /* of an archive, or -1 */
    pid_t child; /* who writes it */
};

struct engine_op *flight_begin(struct flight *flight, const char *name, nsec_t deadline,
                               void *data);
/* It completes soon, from the loop. err is emptied; may be NULL. */
void flight_settle(struct engine_op *op, enum engine_outcome outcome, struct error *err);
/* `ready` is called soon, from the loop. */
void flight_soon_ready(struct engine_op *op);
/* One whose outcome is known at once. */
struct engine_op *flight_known(struct flight *flight, const char *name, enum engine_outcome outcome,
                               struct error *err, engine_done_fn done, void *data);
/* What only a container can do. */
struct engine_op *flight_impossible(struct flight *flight, const char *name, void *data);

/* What container_archive() is. */
struct engine_op *flight_archive(struct flight *flight, const char *name, const char *path,
                                 nsec_t deadline, engine_bytes_fn bytes, engine_done_fn done,
                                 void *data);

/* Returns false for what is not one of these. */
bool flight_cancel(struct flight *flight, struct engine_op *op);
/* Forgets them all without a word. */
void flight_deinit(struct flight *flight);

#endif

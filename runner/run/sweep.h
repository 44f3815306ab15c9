/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sweep: removes what carries our labels, until a listing shows nothing more.
 *
 * Containers go first, then what they used, then worlds. Repeats until nothing is found or the
 * deadline passes.
 */
#ifndef CLEANROOM_SWEEP_H
#define CLEANROOM_SWEEP_H

#include <cleanroom/engine.h>
#include <cleanroom/vec.h>

struct sweep_item {
    struct sweep *sweep;
    char *name;
    struct removal *removal;
};

struct sweep {
    struct engine *engine;
    const char *run; /* only this run's; NULL: all */
    /* Which of the found objects to remove; NULL: all. */
    bool (*wanted)(void *data, const struct object_info *object);
    /* Told of each object removed; may be NULL. */
    void (*removed)(void *data, enum object_kind kind, const char *name);
    void (*done)(void *data);
    void *data; /* of all three */
    nsec_t deadline;

    /* results */
    size_t count;       /* objects removed */
    struct strvec left; /* "container NAME: reason" of what could not be */
    struct error error; /* the engine could not be asked */

    /* private */
    VEC(struct sweep_item) items;
    struct loop *loop; /* the engine's, which it outlives */
    size_t pending;
    int rounds;
    struct loop_timer timer;
};

/* Set engine, run, wanted, removed, done, data, deadline before; done(data) is called once. */
void sweep_begin(struct sweep *s);
/* After done, when never begun, or when the engine is freed. */
void sweep_deinit(struct sweep *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service that is stopped cleanly and kept as an image: its signal, its end, the commit.
 */
#ifndef CLEANROOM_KEEP_H
#define CLEANROOM_KEEP_H

#include "run/container.h"

struct keep {
    struct container *container;
    char *name;      /* of the image to be */
    const char *key; /* LABEL_SNAPSHOT; borrowed */
    void (*done)(void *data, struct keep *k);
    void *data;
    bool begun;
    bool complete;      /* done was called */
    char *image;        /* complete: the image's id, or NULL and */
    struct error error; /* why not */

    /* private */
    struct engine_op *op;
    bool committing;
};

/* name is taken over. done is called once, from the loop, unless it is cancelled before. */
void keep_begin(struct keep *k, struct container *container, int signal, char *name,
                const char *key, void (*done)(void *data, struct keep *k), void *data);
/* The container has EXITED. */
void keep_exited(struct keep *k);
/* An operation that names us is under way. */
bool keep_busy(const struct keep *k);
/* Asks it to end: done follows when busy. */
void keep_cancel(struct keep *k);
void keep_deinit(struct keep *k);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two common shapes of operations: those that complete with an outcome alone, and those that
 * complete with an image.
 */
#ifndef EMBEDDED_DONE_H
#define EMBEDDED_DONE_H

#include "engine/embedded/state.h"

struct done_op {
    struct engine_op op;
    engine_done_fn done;
    struct world *world; /* whose keeper was asked, or NULL */
};
struct done_op *done_new(struct engine *engine, nsec_t deadline, engine_done_fn done, void *data);
/* A call_fn: finishes the call's op with the answer. */
void done_answered(struct world *w, struct call *call, const struct answer *answer);

struct image_op {
    struct engine_op op;
    engine_image_fn done;
    const struct image_info *info; /* of an image that is held */
    struct world *world;
    struct resolve *resolve;
    engine_progress_fn progress;
};
struct image_op *image_new(struct engine *engine, nsec_t deadline, engine_image_fn done,
                           void *data);

/* Finishes with an answer that failed, its text led by what. */
void done_failed(struct engine_op *op, const struct answer *answer, const char *what);

#endif

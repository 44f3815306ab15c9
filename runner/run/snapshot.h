/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which services of a run start from a snapshot.
 *
 * A snapshot is an image, "cleanroom-snapshot:KEY", of a service that was initialised once; see
 * provider.h for recipes and bake.h for how it is made. Here is what is known of each service of
 * the plan: whether it has one, and by which plan its containers are started.
 */
#ifndef CLEANROOM_SNAPSHOT_H
#define CLEANROOM_SNAPSHOT_H

#include <cleanroom/engine.h>

#include "config/plan.h"
#include "run/key.h"

#define SNAPSHOT_REPOSITORY "cleanroom-snapshot"

struct run_context;

enum snapshot_state {
    SNAPSHOT_ZERO,    /* started from nothing: see why */
    SNAPSHOT_MISSING, /* to be made */
    SNAPSHOT_REUSED,  /* it was there */
    SNAPSHOT_MADE,    /* by this run */
};

struct snapshot {
    struct run_context *ctx;
    const struct plan_service *service; /* of plan->seed */
    enum snapshot_state state;
    char *why;          /* ZERO: a reason worth telling, or NULL */
    char key[KEY_SIZE]; /* "" when it was never thought of */
    char *name;         /* "cleanroom-snapshot:KEY" */
    char *image;        /* REUSED, MADE: id to create containers from */

    /* private */
    int lease; /* on what a daemon keeps, or -1 */
    struct engine_op *op;
    void (*done)(void *data);
    void *data;
};

/* One for each service of plan->seed, in its order; released with snapshots_free(). */
struct snapshot *snapshots_new(struct run_context *ctx);
void snapshots_free(struct snapshot *snapshots, size_t count);

/* Once the service's image is known: decides, and looks for the snapshot. Returns whether
   done(data) will be called. */
bool snapshot_look(struct snapshot *s, void (*done)(void *data), void *data);
/* Stops looking; done(data) follows if it was to. */
void snapshot_cancel(struct snapshot *s);

/* It starts from nothing after all, because of why (copied). */
void snapshot_give_up(struct snapshot *s, const char *why);
void snapshot_made(struct snapshot *s, const char *image);

/* "KEY (reused)", "from zero: REASON"; release with free(). */
char *snapshot_words(const struct snapshot *s);

/* The image as recipes see it. */
struct recipe_image snapshot_image(const struct image_info *info);

#endif

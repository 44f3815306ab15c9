/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept in a daemon between runs, and that it does not become more and more. (The embedded
 * engine's store bounds itself.)
 *
 * A key is kept as a whole: a service's snapshot is one image, a deploy that was done once is one
 * of each service and its files in the cache directory, a satellite is one image. When there are
 * more than KEPT_MAX snapshots and deploys, the least recently used go; when that is known: of what
 * was not used from this cache directory only the time of its making is.
 *
 * What a run uses from here is not removed: lease.h. Elsewhere (another cache directory, and the
 * same daemon) a snapshot may be removed under a run that has just planned with it; then that
 * service begins at nothing (shard.c). Nothing makes up for a deploy or a satellite, so without a
 * lease of ours they stay: a deploy for a day, a satellite until somebody asks for its removal.
 */
#ifndef CLEANROOM_KEPT_H
#define CLEANROOM_KEPT_H

#include <cleanroom/engine.h>
#include <cleanroom/vec.h>

#define KEPT_MAX        32
#define KEPT_SATELLITES 4

enum kept_kind {
    KEPT_SNAPSHOT,
    KEPT_DEPLOY,
    KEPT_SATELLITE,
    KEPT_UNNAMED, /* another one has its name */
};

struct kept_part {
    char *id, *name;
    uint64_t size;
};

struct kept_item {
    enum kept_kind kind;
    char *key; /* UNNAMED: its id */
    VEC(struct kept_part) parts;
    nsec_t used;  /* clock_wall() */
    bool noted;   /* it was used from this cache directory */
    bool orphan;  /* DEPLOY: its files are gone */
    bool going;   /* to be removed */
    bool removed; /* and that was done, all of it */
};

struct kept {
    struct engine *engine;
    nsec_t deadline;
    void (*done)(void *data);
    void (*said)(void *data, const char *name); /* of each image removed; or NULL */
    void *data;                                 /* of both */

    /* results */
    struct kept_item *items; /* latest used first */
    size_t len, cap;
    size_t count;       /* images removed */
    struct strvec left; /* "NAME: reason": not removed */
    struct error error; /* the engine could not be asked */

    /* private */
    size_t item, part;
    int lease;
};

void kept_init(struct kept *k, struct engine *engine, nsec_t deadline, void (*done)(void *data),
               void *data);
/* Asks the engine. done(data) once, from the loop. */
void kept_list(struct kept *k);
/* Removes what is marked as `going`, after the list is there; done(data) once, from the loop or
   from within. What is used stays. */
void kept_remove(struct kept *k);
/* After done, when never begun, or when the engine is freed. */
void kept_deinit(struct kept *k);

/* Fills in the items; kept_list() does it with what the engine tells. */
void kept_take(struct kept *k, const struct kept_image *images, size_t count);
/* What is more than there should be. now: clock_wall(). */
void kept_mark_excess(struct kept *k, nsec_t now);

/* Keeps to the bounds, in a loop of its own, for at most `limit` and until interrupt (a descriptor)
   becomes readable. For the end of a run: a failure is not worth more than a word at debug level.
 */
void kept_trim(struct engine *engine, nsec_t limit, int interrupt);

#endif

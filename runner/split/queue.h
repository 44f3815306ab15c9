/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One queue for all shards: each pulls the next chunk when it has finished its last.
 *
 * Guided self-scheduling: a shard's portion is what it may take so that all end together, given
 * what the others still have to do. A chunk is half of that, and one unit at least: large first,
 * shrinking, so that no shard waits long for the last of the others.
 *
 * Each chunk is a call of the runner, which costs something beside its tests (it starts, it loads
 * them). The queue measures that, from one pull to the next, and cuts no chunk that runs for less
 * than QUEUE_WORTH times as long: a portion that is too small to be halved is taken whole. By the
 * same measurements estimates become time: where no duration is known they only count tests.
 *
 * The longest units come first, or with a seed all in a random order.
 */
#ifndef SPLIT_QUEUE_H
#define SPLIT_QUEUE_H

#include "split/cut.h"

#define QUEUE_NOBODY (-1)
#define QUEUE_WORTH  8

/* A shard's last chunk, in milliseconds. */
struct pull {
    int64_t at;       /* when it was pulled */
    int64_t estimate; /* what its units say */
    int64_t spent;    /* what its tests took; 0: not known */
};

struct queue {
    const struct units *units; /* borrowed */
    int shards;
    size_t *order; /* indices of units, those from `next` on are still to be had */
    size_t next;
    int64_t left;  /* milliseconds of those */
    int *shard_of; /* who took a unit: a cut like others when the queue is empty; QUEUE_NOBODY */
    int *chunk_of; /* in which of all chunks, counted from 0 */
    int chunks;
    struct pull *pulls; /* by shard */
    /* Of the chunks that have ended: how many, what was estimated, took, and was paid beside it. */
    int measured;
    int64_t estimated, worked, paid;
};

/* Indices of units, borrowed from the queue. */
struct chunk {
    const size_t *units;
    size_t count;
    int number;
};

#define _cleanup_queue_ _cleanup_(queue_deinit)

/* seed: NULL for the longest first. */
void queue_init(struct queue *q, const struct units *units, int shards, const uint64_t *seed);
/* The next chunk for a shard (0-based) at a moment in milliseconds; false: there is none any more.
 */
bool queue_next(struct queue *q, int shard, int64_t now, struct chunk *chunk);
/* What the tests of its last chunk took, as they say; before it pulls the next. */
void queue_spent(struct queue *q, int shard, int64_t msec);
bool queue_is_empty(const struct queue *q);
void queue_deinit(struct queue *q);

#endif

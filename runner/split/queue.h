/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One queue for all shards: each pulls the next chunk when it has finished its last.
 *
 * Guided self-scheduling: a chunk is what fits into a 2N-th of the time that is left, and one unit
 * at least; so chunks are large first and shrink, and no shard waits long for the last of the
 * others. The longest units come first, or with a seed all in a random order.
 */
#ifndef SPLIT_QUEUE_H
#define SPLIT_QUEUE_H

#include "split/cut.h"

#define QUEUE_NOBODY (-1)

struct queue {
    const struct units *units; /* borrowed */
    int shards;
    size_t *order; /* indices of units, those from `next` on are still to be had */
    size_t next;
    int64_t left;  /* milliseconds of those */
    int *shard_of; /* who took a unit: a cut like others when the queue is empty; QUEUE_NOBODY */
    int *chunk_of; /* in which of all chunks, counted from 0 */
    int chunks;
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
/* The next chunk for a shard (0-based); false: there is none any more. */
bool queue_next(struct queue *q, int shard, struct chunk *chunk);
bool queue_is_empty(const struct queue *q);
void queue_deinit(struct queue *q);

#endif

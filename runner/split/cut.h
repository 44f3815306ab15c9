/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts a list of tests into parts for shards, before the run (cut_by_count(), cut_by_time()) or
 * while it goes on (queue.h). Pure and deterministic: the same input gives the same parts on every
 * machine. Each unit is in exactly one part, by construction: a cut names one shard for each unit.
 */
#ifndef SPLIT_CUT_H
#define SPLIT_CUT_H

#include "split/list.h"
#include "split/timings.h"

/* What is handed out as a whole: a test, or the tests of a class or file. */
struct unit {
    char *name;   /* as the runner wants it to be named */
    size_t tests; /* how many of the list are in it */
    int64_t msec; /* known, or an estimate; at least 1 */
    bool known;   /* the duration of each of its tests is known */
};

/* In the order of the list, a class or file at the place of its first test. */
struct units {
    VEC(struct unit) items;
    size_t tests;
};

#define UNITS_INIT      ((struct units){0})
#define _cleanup_units_ _cleanup_(units_deinit)

/*
 * Gathers the units of a list. timings may be NULL. A test of unknown duration counts as the median
 * of the known ones, and as one millisecond when none is known, so that counts decide.
 */
void units_make(struct units *u, const struct test_list *list, enum naming naming,
                enum granularity granularity, const struct timings *timings);
/* Appends a copy. */
void units_add(struct units *u, const struct unit *unit);
void units_deinit(struct units *u);

/* The names of the units of one part, in the order of the list. */
void units_part(const struct units *u, const int *shard_of, int shard, struct strvec *names);

/*
 * Both write the shard of unit i, 0-based, to shard_of[i].
 *
 * By count: neighbours stay together, the parts follow each other in the list. With units of one
 * test the parts differ by one at most, and one more test in the list moves at most shards - 1
 * others.
 */
void cut_by_count(const struct units *u, int shards, int *shard_of);
/* By time: the longest first, each to the shard that has the least to do so far (at most 4/3 of the
   best cut there is); equals in the order of their names, and to the first of equal shards. */
void cut_by_time(const struct units *u, int shards, int *shard_of);

/* The order of cut_by_time(): indices of units, the longest first. Release with free(). */
size_t *units_longest_first(const struct units *u);

/*
 * Shuffles indices by Fisher and Yates, with the numbers of splitmix64 (Steele, Lea, Flood 2014)
 * begun at `seed`, each brought below n by rejection: the same order everywhere, and all orders
 * alike.
 */
void order_shuffle(size_t *order, size_t count, uint64_t seed);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long tests took in earlier runs: one small file that a CI can cache.
 *
 *     cleanroom timings 1
 *     412<TAB>tests.test_a.TestX.test_y
 *
 * One test a line: milliseconds, and its key (naming.h) with \\, \t, \n and \r for what would break
 * the line; sorted by the bytes of the key, so that a difference shows what changed. Joined files
 * can be read too: lines may stand in any order, the first line may be repeated, and of several
 * lines for one test the mean counts.
 *
 * Each run moves a duration three tenths of the way to the new one, so that one odd run does not
 * spoil it. A run that was not of the whole suite changes only what it ran; one that was drops what
 * is no longer there.
 */
#ifndef SPLIT_TIMINGS_H
#define SPLIT_TIMINGS_H

#include <stdbool.h>
#include <stdint.h>

#include <cleanroom/error.h>
#include <cleanroom/result.h>

#include "split/naming.h"

#define TIMINGS_FILE_MAX  ((size_t)32 << 20)
#define TIMINGS_TESTS_MAX 200000
#define TIMINGS_MSEC_MAX  INT64_C(1000000000)
#define TIMINGS_UNKNOWN   INT64_C(-1)

struct timing {
    char *key;
    int64_t msec;
};

/* Sorted by key, each once. */
struct timings {
    VEC(struct timing) tests;
};

#define TIMINGS_INIT      ((struct timings){0})
#define _cleanup_timings_ _cleanup_(timings_deinit)

void timings_deinit(struct timings *t);

/* Into the empty *t. */
int timings_parse(struct timings *t, const char *text, size_t len, struct error *err);
/* Replaces a file of directory `dir` as a whole. */
int timings_write(const struct timings *t, int dir, const char *name, struct error *err);

/*
 * Learns from what a run reported (or an earlier JUnit file, read with junit_read()): from cases
 * that passed or failed. Cases of one key in one shard are added up, of several shards the longest
 * counts. `whole`: all of the suite was run, so what was not reported is forgotten.
 */
void timings_learn(struct timings *t, const struct result *r, enum naming naming, bool whole);

/* Milliseconds of a test, or of all its parts (a module's tests); TIMINGS_UNKNOWN. */
int64_t timings_of(const struct timings *t, enum naming naming, const char *key);

#endif

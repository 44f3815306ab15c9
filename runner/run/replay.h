/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run leaves behind so that one of its shards can be run again: in run.json the target, the
 * arguments of its tests, its own settings from the command line and the environment, and the seed;
 * in shard-K/tests.txt the tests that were handed to shard K, in their order, a blank line between
 * two rounds.
 */
#ifndef CLEANROOM_REPLAY_H
#define CLEANROOM_REPLAY_H

#include <cleanroom/error.h>
#include <cleanroom/vec.h>

#include "run/run_parts.h"

#define REPLAY_TESTS_FILE "tests.txt"

/* When the run begins. */
void replay_note_run(const struct run *r);
/* When a shard's tests have ended. Not fatal: says so. */
void replay_note_shard(const struct shard *s);
/* "cleanroom replay cleanroom-results --shard 2"; release with free(). */
char *replay_command(const struct shard *s);

struct replay {
    int shard;
    bool has_tests;      /* else its variables say which */
    struct strvec tests; /* "" between rounds */
    struct strvec words; /* of a command line: options, the target, "--" and arguments */
};
/* results: a directory of results. ERROR_USAGE when it is none, or has no such shard. */
int replay_load(struct replay *out, const char *results, int shard, struct error *err);
void replay_deinit(struct replay *r);

#endif

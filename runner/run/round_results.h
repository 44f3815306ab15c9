/* SPDX-License-Identifier: Apache-2.0 */
/* What a round of a shard says of its tests, in files and in what it prints, and what it does to
   the cases that the shard has found so far. */
#ifndef CLEANROOM_ROUND_RESULTS_H
#define CLEANROOM_ROUND_RESULTS_H

#include "run/shard.h"

/* A round is about to be started. */
void round_results_begin(struct shard *s);
void round_results_deinit(struct shard_rounds *r);

/* What the last round left is in s->collect (NULL: nothing came): the cases of the round are added
   to those that were found. Once for each round. */
void round_results_take(struct shard *s);

#endif

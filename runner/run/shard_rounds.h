/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rounds of a shard: each is one run of `test`.
 *
 * Usually there is one. There are more when the shard takes its tests from a queue, when failed
 * ones are run again, and when all of them are repeated. Between two rounds what the first left is
 * fetched, and put aside in the pod, so that each round's reports are its own. Before the first
 * there may be a list to be made, or waited for.
 */
#ifndef CLEANROOM_SHARD_ROUNDS_H
#define CLEANROOM_SHARD_ROUNDS_H

#include "run/shard.h"

void shard_rounds_init(struct shard_rounds *r);
void shard_rounds_deinit(struct shard *s);

/* In a fresh world. */
void shard_rounds_renew(struct shard *s);

/* TEST: the container of the first round can be made before it is its turn. */
void shard_rounds_prepare(struct shard *s);
void shard_rounds_begin(struct shard *s);
/* The test container has changed its stage. */
void shard_rounds_changed(struct shard *s, struct container *c);
void shard_rounds_output(struct shard *s, enum output_stream stream, const void *bytes, size_t len);
/* Its deadline has passed, or nobody wants it any more. */
void shard_rounds_stop(struct shard *s);
/* Something that belonged to a round has ended, in TEARDOWN. */
bool shard_rounds_busy(const struct shard *s);
void shard_rounds_cancel(struct shard *s);
/* The satellite has put away what was there. */
void shard_rounds_emptied(struct shard *s);

#endif

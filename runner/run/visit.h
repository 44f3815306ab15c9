/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Going inside a kept shard: the process that keeps the run listens, and who comes sends it what he
 * wants and his standard streams; his terminal stays his own business, size and all.
 *
 * The socket is an abstract one, named after the run, and both sides look who the other one is: no
 * file is left, and nobody else gets in.
 */
#ifndef CLEANROOM_VISIT_H
#define CLEANROOM_VISIT_H

#include "run/shard.h"

struct visits;
struct visits *visits_new(struct loop *loop, const char *run, struct shard *shards, size_t count,
                          struct error *err);
/* Before the engine is freed. Accepts NULL. */
void visits_free(struct visits *v);

/* The other side: goes inside, and returns the exit code. shard 0: the only one that is kept. */
int visit(const char *run, int shard, const char *const *words, struct error *err);

#endif

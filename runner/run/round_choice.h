/* SPDX-License-Identifier: Apache-2.0 */
/* Which round of a shard is its next: tests that have not run yet, the same once more, or those
   that failed. */
#ifndef CLEANROOM_ROUND_CHOICE_H
#define CLEANROOM_ROUND_CHOICE_H

#include "run/shard.h"

/* Its tests are in s->rounds.part. False: there is no further round in this world; s->wants_fresh
   says whether there is one in another. */
bool round_choose(struct shard *s);

/* A round has ended, with success or not: whether there is another one, as far as can be told
   without looking at the results. */
bool round_goes_on(const struct shard *s, bool failed);

#endif

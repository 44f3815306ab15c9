/* SPDX-License-Identifier: Apache-2.0 */
/* What a round of a shard is given: its words, its variables, and a file that names its tests. */
#ifndef CLEANROOM_ROUND_CREATE_H
#define CLEANROOM_ROUND_CREATE_H

#include "run/shard.h"

/* The container of the round that was chosen; it is not started. */
int round_create(struct shard *s, struct error *err);

#endif

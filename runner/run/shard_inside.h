/* SPDX-License-Identifier: Apache-2.0 */
/* A shard that is KEPT, and who goes inside; see shard_let_in(). */
#ifndef CLEANROOM_SHARD_INSIDE_H
#define CLEANROOM_SHARD_INSIDE_H

#include "run/shard.h"

void shard_init_inside(struct shard *s);
void shard_enter_kept(struct shard *s);

#endif

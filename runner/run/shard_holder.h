/* SPDX-License-Identifier: Apache-2.0 */
/* HOLDER: a shard's turn, its volumes, and the container that holds its namespace, in which the
   satellite runs. */
#ifndef CLEANROOM_SHARD_HOLDER_H
#define CLEANROOM_SHARD_HOLDER_H

#include "run/shard.h"

void shard_init_holder(struct shard *s);
void shard_enter_holder(struct shard *s);

#endif

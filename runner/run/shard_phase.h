/* SPDX-License-Identifier: Apache-2.0 */
/* The app's phases in a shard: DEPLOY and TEST. */
#ifndef CLEANROOM_SHARD_PHASE_H
#define CLEANROOM_SHARD_PHASE_H

#include "run/shard.h"

void shard_init_phase(struct shard *s, struct shard_phase *phase, const char *name);

void shard_enter_deploy(struct shard *s);
void shard_enter_test(struct shard *s);

/* Where the app is served; verb: "serves at". */
void shard_say_site(struct shard *s, const char *verb);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The app's phases in a shard: DEPLOY and TEST. */
#ifndef CLEANROOM_SHARD_PHASE_H
#define CLEANROOM_SHARD_PHASE_H

#include "run/shard.h"

void shard_init_phase(struct shard *s, struct shard_phase *phase, const char *name);
/* Its container alone, which has gone. */
void shard_init_phase_container(struct shard *s, struct shard_phase *phase, const char *name);
/* Starts its container, and its time. */
void shard_start_phase(struct shard *s, struct shard_phase *phase, nsec_t timeout);

void shard_enter_deploy(struct shard *s);
void shard_enter_test(struct shard *s);

/* "test passed in 1.2s" */
void shard_say_phase(struct shard *s, const struct shard_phase *phase);

/* Where the app is served; verb: "serves at". */
void shard_say_site(struct shard *s, const char *verb);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* From a world to copies of it: what it keeps in KEEP, and what a copy is filled with. */
#ifndef CLEANROOM_SHARD_KEEP_H
#define CLEANROOM_SHARD_KEEP_H

#include "run/shard.h"

/* By which plan and from which image each service is started here. Fails with ERROR_CONFIG. */
int shard_plan_services(struct shard *s, struct error *err);
/* Its snapshot has been removed: from now on it is to be initialised as for one, which for the
   pod's holder, and for whoever keeps it, is the same. false: that is not why. */
bool shard_plan_anew(struct shard *s, struct shard_service *service);

void shard_enter_keep(struct shard *s);
/* A service's container has changed in KEEP. */
void shard_keep_changed(struct shard *s, struct shard_service *service);

/* The holder is up: fills the volumes with what deploy left, if it was run once. */
void shard_fill_volumes(struct shard *s);
bool shard_is_filling(const struct shard *s);

/* Ends what is under way here; and whether it still is. */
void shard_keep_cancel(struct shard *s);
bool shard_keep_busy(const struct shard *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The services of one shard: each by its provider, with its secret, on a port that none of the
   others wants. */
#ifndef CONFIG_PLAN_SERVICES_H
#define CONFIG_PLAN_SERVICES_H

#include "config/plan.h"
#include "config/random.h"

/* Fails also when two of them cannot be in one shard. */
int plan_services(struct plan_shard *shard, const struct plan *plan, random_fn *random,
                  struct error *err);

/* Whether it is one for all shards. */
bool plan_is_shared(const struct service_setting *setting);

#endif

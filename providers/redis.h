/* SPDX-License-Identifier: Apache-2.0 */
/* What redis.c lends to its relatives (valkey.c): a server that speaks its protocol, which is
   called NAME-server and whose apps know it as Redis. */
#ifndef PROVIDERS_REDIS_H
#define PROVIDERS_REDIS_H

#include <cleanroom/provider.h>

#define REDIS_OVERRIDES 6
extern const struct override_def redis_overrides[REDIS_OVERRIDES];
extern const struct probe redis_probe;
extern const struct recipe redis_recipe;

int redis_plan(const struct provider *provider, const struct provider_input *in,
               struct service_plan *out, struct error *err);

#endif

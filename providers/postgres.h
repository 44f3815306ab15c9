/* SPDX-License-Identifier: Apache-2.0 */
/* What postgres.c lends to its relatives (postgis.c): a PostgreSQL server in a container. */
#ifndef PROVIDERS_POSTGRES_H
#define PROVIDERS_POSTGRES_H

#include <cleanroom/provider.h>

#define POSTGRES_OVERRIDES 7
extern const struct override_def postgres_overrides[POSTGRES_OVERRIDES];
extern const struct probe postgres_probe;

/* The scheme of DB_DEFAULT_URL is the provider's name, as Forklift has it. */
int postgres_plan(const struct provider *provider, const struct provider_input *in,
                  struct service_plan *out, struct error *err);

#endif

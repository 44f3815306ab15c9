/* SPDX-License-Identifier: Apache-2.0 */
/* What postgres.c lends to its relatives (postgis.c): a PostgreSQL server in a container. */
#ifndef PROVIDERS_POSTGRES_H
#define PROVIDERS_POSTGRES_H

#include <cleanroom/provider.h>

#define POSTGRES_OVERRIDES 7
extern const struct override_def postgres_overrides[POSTGRES_OVERRIDES];
extern const struct probe postgres_probe;
extern const struct recipe postgres_recipe; /* postgres_recipe.c */

/* --no-sync: initdb alone issues 1000 fsyncs. --auth-host: by default initdb trusts 127.0.0.1, and
   the whole shard is 127.0.0.1: a wrong password would pass here and fail in production. */
#define POSTGRES_INITDB_ARGS "--no-sync --auth-host=scram-sha-256"

/* Where a copy listens besides: an abstract socket, which is the pod's alone. */
#define POSTGRES_ABSTRACT_DIRECTORY "@cleanroom"

/* The scheme of DB_DEFAULT_URL is the provider's name, as Forklift has it. */
int postgres_plan(const struct provider *provider, const struct provider_input *in,
                  struct service_plan *out, struct error *err);

#endif

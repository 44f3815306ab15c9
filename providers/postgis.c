/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostGIS: a PostgreSQL whose image creates the extension in the new database while it initialises
 * (github.com/postgis/docker-postgis, initdb-postgis.sh), so before anything listens on TCP.
 */
#include "common.h"
#include "postgres.h"

const struct provider provider_postgis = {
    .name = "postgis",
    .doc = "PostgreSQL with PostGIS: DB_DEFAULT_URL",
    .image = "postgis/postgis:16-3.4",
    .port = 5432,
    .overrides = postgres_overrides,
    .override_count = POSTGRES_OVERRIDES,
    .plan = postgres_plan,
    .probe = &postgres_probe,
    .recipe = &postgres_recipe,
    .namespaces = "a database each",
    .names_instances = true,
};

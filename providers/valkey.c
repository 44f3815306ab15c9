/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Valkey (valkey.io, "Migration from Redis to Valkey"; container:
 * github.com/valkey-io/valkey-container): the same options, protocol and files. Its apps use Redis'
 * libraries and settings, so they are told by Redis' names.
 */
#include "common.h"
#include "redis.h"

const struct provider provider_valkey = {
    .name = "valkey",
    .doc = "Valkey: REDIS_HOSTS, REDIS_DB_INDEX",
    .image = "valkey/valkey:8",
    .port = 6379,
    .overrides = redis_overrides,
    .override_count = REDIS_OVERRIDES,
    .plan = redis_plan,
    .probe = &redis_probe,
    .recipe = &redis_recipe,
    .namespaces = "a database each",
    .countable = true,
    .by_the_book = true,
};

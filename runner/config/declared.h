/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of a service that is declared in a file (see declaration.h) but for those that are
 * overrides.
 */
#ifndef CLEANROOM_DECLARED_H
#define CLEANROOM_DECLARED_H

#include <cleanroom/declaration.h>

#include "config/origin.h"
#include "config/schema.h"

/* The rows' data is a struct declaration. */
extern const struct schema_key declared_keys[];
extern const size_t declared_key_count;

/* Reads from the map what the other keys refer to: ports and tmpfs. To be called first. */
int declared_begin(struct declaration *d, const struct yaml_node *map, struct error *err);
/* After all keys were read: is it complete? */
int declared_end(struct declaration *d, const struct yaml_node *map, struct error *err);

/* An error for a placeholder that is none, or that this service has not. */
int declared_check(const struct declaration *d, const char *text, const struct origin *origin,
                   struct error *err);

#endif

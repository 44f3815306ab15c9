/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key `services` below `cleanroom:`: one more of a kind under a name of its own
 * (`reports: {service: postgres}`), or a service that is declared here from its image on.
 */
#ifndef CLEANROOM_DEFINE_H
#define CLEANROOM_DEFINE_H

#include "config/services.h"

/* Reads the whole map. taken: keys of the file, which cannot be names; ends with NULL. */
int define_services(struct services *s, const struct yaml_node *map, const char *const *taken,
                    struct error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key `environment`: variables for the app, merged by name across the layers.
 */
#ifndef CLEANROOM_ENV_H
#define CLEANROOM_ENV_H

#include "config/origin.h"
#include "config/settings.h"

/* Is it a name that a shell could set: letters, digits and '_', no digit first? */
int env_check_key(const char *key, const struct origin *origin, struct error *err);

int env_set(struct settings *s, const char *key, const char *value, const struct origin *origin,
            struct error *err);
/* A map, or a list of K=V. */
int env_from_yaml(struct settings *s, const struct yaml_node *node, struct error *err);
/* --environment K=V. */
int env_from_text(struct settings *s, const char *text, const struct origin *origin,
                  struct error *err);
void env_deinit(struct settings *s);

#endif

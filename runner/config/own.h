/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our own settings: the rows of setting_defs[] (declared in settings.h) and how text becomes them,
 * whichever layer it comes from.
 */
#ifndef CLEANROOM_OWN_H
#define CLEANROOM_OWN_H

#include "config/origin.h"
#include "config/settings.h"

/* Everything at its built-in value. */
void own_init(struct settings *s);
void own_deinit(struct settings *s);

/* The row whose flag this is, or NULL. */
const struct setting_def *own_by_flag(const char *flag);

/* Decodes and stores one value and where it came from. */
int own_set(struct settings *s, const struct setting_def *def, const char *text,
            const struct origin *origin, struct error *err);

/* Reads the map below `cleanroom:`, but for its `services`. */
int own_from_yaml(struct settings *s, const struct yaml_node *map, struct error *err);

/* Reads the CLEANROOM_* variables; empty ones, and those that are no setting, count as not there.
 */
int own_from_environ(struct settings *s, const char *const *environment, struct error *err);

/* "CLEANROOM_START_LIMIT"; release with free(). */
char *own_variable(const struct setting_def *def);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of the layers: where they are and which of them count.
 */
#ifndef CLEANROOM_LAYERS_H
#define CLEANROOM_LAYERS_H

#include <stdbool.h>

#include "config/settings.h"
#include "config/yaml.h"

#define LAYERS_PROJECT_FILE "forklift.yaml"

/* *out is NULL when there is no such file: an error only if it was named by --file. */
int layers_project(const struct settings_input *in, struct yaml_tree **out, struct error *err);

/* Do the files in the user's home count? Not with --no-user-config, nor in CI. */
bool layers_user_allowed(const struct settings_input *in);
/* $XDG_CONFIG_HOME/forklift/NAME.yaml; *out is NULL when there is none. */
int layers_user(const struct settings_input *in, const char *name, struct yaml_tree **out,
                struct error *err);

#endif

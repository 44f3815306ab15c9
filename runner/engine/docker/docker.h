/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.h on Docker's Engine API, 1.40 and later, and on Podman's Docker-compatible one.
 */
#ifndef DOCKER_DOCKER_H
#define DOCKER_DOCKER_H

#include <cleanroom/engine.h>

#include "engine/finding.h"

/* As engine_open(). */
struct engine *docker_open(struct loop *loop, const struct engine_options *options,
                           struct error *err);

/* Whether the daemon that the options mean answers, and what it keeps images in. May wait as
   engine_open() does. */
void docker_examine(struct loop *loop, const struct engine_options *options, struct findings *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether ports that a daemon publishes lead here: it does so in its own network, which is not ours
 * when it runs elsewhere, or when we are in a container with nothing but its socket. What its
 * address says does not tell, so it is tried.
 */
#ifndef CLEANROOM_REACH_H
#define CLEANROOM_REACH_H

#include <cleanroom/engine.h>

/* Certain before anything is made: it is another machine. ERROR_USAGE. */
int reach_refuse(const struct engine *engine, struct error *err);
/* Once the pod is up: connects to the first port of TCP, if there is any. ERROR_ENGINE. */
int reach_try(const struct engine *engine, const struct publish *ports, size_t count,
              struct error *err);

#endif

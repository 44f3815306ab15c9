/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports of a pod that can be reached from this machine: its sockets are made here, where main is at
 * home, and handed to our own program in the pod, which relays.
 */
#ifndef EMBEDDED_PUBLISH_H
#define EMBEDDED_PUBLISH_H

#include "engine/embedded/message.h"

/* Makes spec's sockets, publish_count of them, and tells the recipe's program what they are. On -1
   none is left open. */
int publish_open(const struct container_spec *spec, struct recipe *recipe, int fds[PUBLISH_MAX],
                 struct error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine for apps that are programs of this machine: it stands before another one and hands
 * everything on to it, but for containers that are none (container_spec.program). Those are
 * processes of ours, each with its supervisor; they have no labels, are never listed, and end with
 * us at the latest.
 */
#ifndef DIRECT_DIRECT_H
#define DIRECT_DIRECT_H

#include <cleanroom/engine.h>

/* Takes inner over. scratch: a directory of the run's, which goes with this engine. */
struct engine *direct_open(struct engine *inner, const char *scratch);

/* For who cleans up after a run that was killed, if there is such a directory: the supervisors are
   at work too, if nobody has killed them. */
void direct_bury(const char *scratch);

#endif

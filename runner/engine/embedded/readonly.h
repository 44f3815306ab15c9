/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups that only the keeper makes. runc makes some of its own in all hierarchies, moves
 * the container there, out of the group that has its limits, and leaves them when the world ends.
 * Where it cannot write it does without. (crun is told to keep out of them.)
 */
#ifndef EMBEDDED_READONLY_H
#define EMBEDDED_READONLY_H

#include <cleanroom/vec.h>

/* Where control groups are mounted. */
void readonly_find(struct strvec *mounts);
/* The same from the text of a /proc/PID/mountinfo, see proc(5). */
void readonly_parse(char *mountinfo, struct strvec *mounts);

/* Makes them read-only for this process and those it will begin. System calls only. */
void readonly_enter(const struct strvec *mounts);

#endif

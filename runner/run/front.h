/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two processes for one run, when the run may leave worlds behind: the one that was started waits
 * for its child, which does the run. When that is over the child says so, and if it keeps worlds it
 * goes on in the background, for as long as they are up: the engine's objects hang on it as ever.
 */
#ifndef CLEANROOM_FRONT_H
#define CLEANROOM_FRONT_H

#include <cleanroom/error.h>

struct front {
    int pipe; /* to the one in front; -1 in it, and when there is none */
};

/* Returns in the child, with 0; and in the one in front once it knows the exit code, with that and
   1. -1: no process could be made. */
int front_divide(struct front *f, int *code, struct error *err);
/* In the child: the run is over, and this is how. The one in front ends; we go on without it, its
   terminal, its session and its environment, as `title`. err is copied. */
void front_leave(struct front *f, const char *title, int code, const struct error *err);

#endif

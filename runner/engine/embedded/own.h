/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers of our own program, container_spec.ours: no image's code runs in them, so no OCI
 * runtime has to start them. The program has namespaces, control groups, a root file system and
 * the seccomp filter like any other container, and less than others otherwise: no capability, not
 * even to be had by an exec, and no /proc, /sys or /dev.
 */
#ifndef EMBEDDED_OWN_H
#define EMBEDDED_OWN_H

#include "engine/embedded/keep.h"

/* The first descriptor of those that the program is handed. */
enum { OWN_HANDED = 3 };

/* What own_start() needs of it later. */
void own_keep(struct cell *cell, const struct recipe *recipe);
/* One more descriptor to hand it; taken over. */
void own_hand(struct cell *cell, int fd);
/* It has them. */
void own_close_handed(struct cell *cell);
void own_forget(struct cell *cell);
/* Returns when the program runs: it is pid 1 of a pid namespace, and a child of ours. -1 and
   ERROR_ENGINE when it does not. */
pid_t own_start(struct keeper *k, const struct cell *cell, struct error *err);

#endif

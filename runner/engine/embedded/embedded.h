/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded engine: containers without a daemon.
 *
 * A run's containers live in one *world*: a keeper process (pid 1 of a pid namespace of its own, in
 * a mount namespace of its own, for ordinary users in a user namespace too), and everything it
 * makes. Mounts, network namespaces and processes hang on the keeper, and it dies with us (its end
 * of a socket closes; PR_SET_PDEATHSIG), so the kernel takes them all back, whatever happens. What
 * the kernel does not take back, cgroups and one small directory, is below
 * /run/cleanroom/<run> (ordinary users: $XDG_RUNTIME_DIR/cleanroom/<run>), where janitor and
 * recycle find it: OBJECT_WORLD.
 *
 * Containers are run by an OCI runtime (crun, or runc), from bundles on overlay mounts over the
 * store's layers; see keeper.h, bundle.h and ../store/store.h.
 */
#ifndef EMBEDDED_EMBEDDED_H
#define EMBEDDED_EMBEDDED_H

#include <cleanroom/engine.h>

#include "engine/finding.h"

/* Never waits for anything but this machine. ERROR_ENGINE with the one sentence that says what is
   missing when this machine cannot run it. Nothing is made until the first object is. */
struct engine *embedded_open(struct loop *loop, const struct engine_options *options,
                             struct error *err);

/* Tries each thing for real (namespaces, a mount), in child processes; leaves nothing behind. */
void embedded_examine(struct findings *out);

#endif

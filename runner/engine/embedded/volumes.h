/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes in a container's root file system, as the keeper and its children put them there.
 */
#ifndef EMBEDDED_VOLUMES_H
#define EMBEDDED_VOLUMES_H

#include <cleanroom/error.h>

/* root: of a container, and no link in target leads out of it. volume: the volume's directory. */

/* As on Docker, a volume in which nothing is yet takes what the image has at its place, and that
   directory's owner and mode. What the image does not have there is no error. -1 and ERROR_ENGINE.
 */
int volumes_fill(const char *volume, int root, const char *target, struct error *err);

/* Opens (O_PATH) the directory where a volume goes, which is made when it is not there. */
int volumes_target(int root, const char *target);

/* Mounts it, in a mount namespace of the caller's own. When the target is there it is system calls
   only. -1 and errno. */
int volumes_mount(const char *volume, int root, const char *target);

#endif

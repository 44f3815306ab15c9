/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a volume begins with: as on Docker, one in which nothing is yet takes what the image of a
 * container has at its place, and that directory's owner and mode.
 */
#ifndef EMBEDDED_FILL_H
#define EMBEDDED_FILL_H

#include <cleanroom/error.h>

/* target: below root, a container's root file system, where no link leads out of it. What the image
   does not have there is no error. -1 and ERROR_ENGINE. */
int fill_volume(const char *volume, int root, const char *target, struct error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of a container, as tar archives. For a process whose root directory is the container's:
 * no symbolic link leads out of it.
 */
#ifndef EMBEDDED_PACK_H
#define EMBEDDED_PACK_H

#include <cleanroom/engine.h>

/* To be called while the root directory is the machine's yet: what libraries may still load comes
   from there, not from the container (CVE-2019-14271). */
void pack_prepare(void);
/* Writes directory `path` as an archive to fd, its entries below the directory's own name. */
enum engine_outcome pack(const char *path, int fd, struct error *err);
/* Reads an archive from fd into the existing directory `path`; devices in it are left out. */
enum engine_outcome unpack(const char *path, int fd, struct error *err);

#endif

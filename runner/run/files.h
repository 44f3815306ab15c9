/* SPDX-License-Identifier: Apache-2.0 */
/* The files that a plan puts into a container before it starts, as an archive. */
#ifndef CLEANROOM_FILES_H
#define CLEANROOM_FILES_H

#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

/* Appends a tar archive, to be unpacked at "/", of path, text, path, text ...: root's, and readable
   by whoever the service runs as. Returns -1 when a path is one that no archive can have. */
int files_tar(const struct strvec *files, struct strbuf *out);

#endif

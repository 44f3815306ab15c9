/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacks a tar archive that somebody else made, without trusting a byte of it.
 *
 * Nothing but regular files and directories is made, below the given directory, by descriptors that
 * follow no link. An entry that would leave it, or replace what another entry made, is left out.
 */
#ifndef REPORT_UNPACK_H
#define REPORT_UNPACK_H

#include <stdbool.h>
#include <stdint.h>

#include <cleanroom/error.h>
#include <cleanroom/vec.h>

struct unpack_limits {
    uint64_t bytes;
    size_t files; /* and directories */
};

struct unpack {
    struct unpack_limits limits;
    int dir; /* borrowed: where to */
    /* What may be filled: directories, with a '/' at their ends, and regular files beside them. An
       entry elsewhere is left out. "round-2/xml/": what the archive has in "xml" goes there.
       Borrowed. */
    const struct strvec *allowed;
    /* In place of it: the pattern, as of fnmatch(3) with '*' for anything, that the relative names
       of regular files must have, which go below `place`. Others are passed over. */
    const char *pattern, *place;
    /* The name of an empty-handed file whose presence is a message, or NULL; it is not written. */
    const char *signal;

    uint64_t bytes; /* what was done */
    size_t files;
    struct strvec written; /* relative names of the regular files */
    size_t unsafe;         /* entries left out: links, devices, names that lead elsewhere */
    size_t over_limit;     /* entries left out: too much */
    bool signalled;
};

/* Reads the archive from fd and strips the first component of its names. On -1 the archive broke
   off; what came before is there. */
int unpack_tar(struct unpack *u, int fd, struct error *err);
void unpack_deinit(struct unpack *u);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole directory trees: linked, copied, measured, removed. Symbolic links are never followed.
 */
#ifndef STORE_TREE_H
#define STORE_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include <cleanroom/error.h>
#include <cleanroom/vec.h>

/* Where overlayfs keeps what it knows of a directory: root's mounts, and those of a user namespace.
 */
#define OVERLAY_TRUSTED "trusted.overlay."
#define OVERLAY_USER    "user.overlay."

struct tree_copy {
    bool link;       /* files become hard links of their originals, as long as that can be */
    uint64_t bytes;  /* taken so far, by the sizes of files */
    uint64_t copied; /* of these, how many had to be copied */
    /* Its own: */
    bool cannot_share; /* blocks between files */
    void *seen;        /* files with several names */
};
/* Fills the empty directory `to` with what is in the directory `from`: owners, modes, times,
   extended attributes and whiteouts too. Sockets and devices (but 0:0, the whiteout) are left out,
   and what overlayfs notes of a directory's origin. -1 and ERROR_INTERNAL. */
int tree_copy(struct tree_copy *copy, int from, int to, struct error *err);

/* The names of all that is in a directory. -1 with errno. */
int tree_names(int dir, struct strvec *out);

/* The sizes of all files below a directory; each once, however many names it has here. */
uint64_t tree_size(int dir);

/* Removes dir/name, whatever it is and however deep. 0 also when it was not there. */
int tree_remove(int dir, const char *name);

#endif

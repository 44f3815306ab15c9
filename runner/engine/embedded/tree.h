/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories with what is in them.
 */
#ifndef EMBEDDED_TREE_H
#define EMBEDDED_TREE_H

/* Removes a tree, symbolic links not followed; what is not there is no error. -1 with errno of the
   first failure when something stays. */
int tree_remove(int dir, const char *name);
/* Removes what is in a directory. */
int tree_empty(const char *path);
/* Writes a new file. */
int tree_write(const char *path, const char *text, unsigned mode);

#endif

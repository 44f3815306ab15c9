/* SPDX-License-Identifier: Apache-2.0 */
/* Directories of what is kept between runs: $XDG_CACHE_HOME/cleanroom/..., or $HOME/.cache/... */
#ifndef BASE_CACHEDIR_H
#define BASE_CACHEDIR_H

/* Where one of them is; release with free(). NULL: there is no place for it. */
char *cachedir_path(const char *name);

/* Opens it (mode 0700, made when missing); the caller's. -1 with errno: it cannot be had, or is not
   ours alone (EPERM), as when root has the environment of another user. */
int cachedir_open(const char *name);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Directories of what is kept between runs: $XDG_CACHE_HOME/cleanroom/..., or $HOME/.cache/... */
#ifndef CLEANROOM_CACHEDIR_H
#define CLEANROOM_CACHEDIR_H

/* Opens one of them (mode 0700, made when missing); the caller's. -1: there is no place for it. */
int cachedir_open(const char *name);

#endif

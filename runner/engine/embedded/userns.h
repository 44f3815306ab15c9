/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Root, or root of a user namespace of our own: user_namespaces(7), subuid(5), newuidmap(1).
 *
 * Inside, uid and gid 0 are the caller's, and 1.. his subordinate ids, so that an image's users
 * (postgres = 999) exist and what the caller owns stays his outside.
 */
#ifndef EMBEDDED_USERNS_H
#define EMBEDDED_USERNS_H

#include <stdbool.h>

#include <cleanroom/error.h>

/* Whether this process has to enter a user namespace to act as root. */
bool userns_needed(void);

/* Makes this process (one thread only) root of a new user namespace; nothing when not needed. The
   error says which file or package is missing. */
int userns_enter(struct error *err);

#endif

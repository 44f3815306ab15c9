/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks of flock(2) on things that others may replace or remove meanwhile: what is locked is what
 * the name means.
 */
#ifndef STORE_LOCK_H
#define STORE_LOCK_H

/* Opens dir/name with `flags` and locks it: LOCK_SH or LOCK_EX, perhaps with LOCK_NB. Returns the
   descriptor, or -1 with errno: ENOENT, EWOULDBLOCK ... */
int lock_open(int dir, const char *name, int flags, int how);
/* Whether dir/name is (still) what fd has open. */
int lock_is_named(int fd, int dir, const char *name);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who uses what is kept in a daemon, and when it was last used: daemons know neither.
 *
 * $XDG_CACHE_HOME/cleanroom/leases/KEY is an empty file. Its time is that of the last use, and who
 * uses what has that key holds a shared lock on it until he ends, in whatever way. To remove it
 * takes the exclusive lock. So a run of the same user is never robbed of what it has planned with;
 * what is in use elsewhere by way of the same daemon cannot be seen: see kept.h.
 */
#ifndef CLEANROOM_LEASE_H
#define CLEANROOM_LEASE_H

#include <stdbool.h>

#include <cleanroom/clock.h>

/* Both before it is looked for: what is found afterwards stays (take), or is used by nobody who
   could be seen (seize). false: it is being removed, or used. *fd is the caller's: -1 when there is
   no place for leases. */
bool lease_take(const char *key, int *fd);
bool lease_seize(const char *key, int *fd);
/* Of what was seized and is gone now. */
void lease_end(const char *key, int fd);

/* When it was last used (clock_wall()); false: it was never used from here. */
bool lease_look(const char *key, nsec_t *used);
/* Whether a run from here uses it. For people: who takes a lease at that very moment is told no. */
bool lease_in_use(const char *key);

#endif

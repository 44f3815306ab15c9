/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose a run is: the value of LABEL_OWNER, "HOST/BOOT/PIDNS/PID/START[/CONTAINER]".
 *
 * The owner is the run's janitor: while it lives, the run goes on or is being cleaned up. HOST is
 * the host name and /etc/machine-id, BOOT /proc/sys/kernel/random/boot_id, PIDNS the inode of the
 * pid namespace, START field 22 of /proc/PID/stat (proc(5)), so that a reused pid is not mistaken
 * for it. CONTAINER is the id of the one it is in, when the run's engine knows that: dwelling.h.
 */
#ifndef CLEANROOM_OWNER_H
#define CLEANROOM_OWNER_H

#include <sys/types.h>

enum owner_status {
    OWNER_ALIVE,
    OWNER_GONE,
    OWNER_UNKNOWN, /* another machine's or another pid namespace's: not ours to judge */
};

/* container: an id, or NULL. Release with free(). */
char *owner_of(pid_t pid, const char *container);
enum owner_status owner_status(const char *owner);
/* Within `owner`; NULL: there is none. */
const char *owner_container(const char *owner);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID/stat, proc(5).
 */
#ifndef EMBEDDED_PROCSTAT_H
#define EMBEDDED_PROCSTAT_H

#include <sys/types.h>

enum {
    PROCSTAT_STATE = 3,
    PROCSTAT_START = 22,
};

/* A field from the third on, as text; pid 0: our own. NULL when there is no such process; release
   with free(). */
char *procstat(pid_t pid, unsigned field);

#endif

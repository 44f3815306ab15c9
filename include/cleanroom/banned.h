/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that are compile errors here: force-included into every file of the project.
 */
#ifndef CLEANROOM_BANNED_H
#define CLEANROOM_BANNED_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

/* No bounds. (With clang and _FORTIFY_SOURCE glibc has made macros of two of them.) */
#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat sprintf vsprintf gets
/* No errors. */
#pragma GCC poison atoi atol atof
/* Hidden state. */
#pragma GCC poison strtok localtime gmtime ctime asctime
/* Waiting for time to pass is no synchronisation: wait for the event. */
#pragma GCC poison sleep usleep
/* Descriptors are CLOEXEC at birth; children are ours to supervise. */
#pragma GCC poison system popen

#endif

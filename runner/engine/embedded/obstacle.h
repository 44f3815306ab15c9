/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kernel or a distribution forbids, in one sentence with its remedy.
 */
#ifndef EMBEDDED_OBSTACLE_H
#define EMBEDDED_OBSTACLE_H

#include <cleanroom/error.h>

struct obstacle {
    char *why;          /* "user namespaces are switched off (...)" */
    const char *remedy; /* "sysctl -w ..., as root" */
};
void obstacle_deinit(struct obstacle *obstacle);

/* Each tells whether there is one (1) or not (0), for this process.

   A user namespace is made for a try, unless none is needed. Less than a millisecond. */
int obstacle_to_userns(struct obstacle *out);
/* Its ids. Reads two files, looks for two programs. */
int obstacle_to_ids(struct obstacle *out);
/* The reason behind a mount or a namespace that failed with errnum. */
void obstacle_to_privilege(int errnum, const char *what, struct obstacle *out);

/* What decides whether worlds can be made at all, cheaply. ERROR_ENGINE; the remedy is its detail.
 */
int obstacle_check(struct error *err);

#endif

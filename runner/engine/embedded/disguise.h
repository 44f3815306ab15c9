/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a forked process looks from outside: ps(1), and a CI server that looks for what it believes
 * to be its own by the BUILD_ID or JENKINS_NODE_COOKIE in a process's initial environment.
 */
#ifndef EMBEDDED_DISGUISE_H
#define EMBEDDED_DISGUISE_H

/* Shows "cleanroom: keeper RUN" and an empty environment; ours is PATH alone afterwards. */
void disguise(const char *run);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The janitor: a process of its own, begun before the first object is made, that removes a run's
 * objects when the main process dies without having done so.
 *
 * It is re-executed (cleanroom __janitor) in a session of its own with a small clean environment,
 * since Jenkins kills by process group and by the BUILD_ID and JENKINS_NODE_COOKIE variables it finds
 * in a process's initial environment. It ignores signals; the end of its pipe is its only event.
 */
#ifndef CLEANROOM_JANITOR_H
#define CLEANROOM_JANITOR_H

/* The hidden command; reads the ledger from standard input. Returns the exit code. */
int janitor_main(int argc, char **argv);

#endif

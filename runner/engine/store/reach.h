/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two directories of one file system, reached by one way.
 *
 * link(2) refuses to link between two mounts, be they of the same file system; and Docker mounts
 * its own directory onto itself. So both are opened once more through a mount that is nobody else's
 * and shows the whole file system.
 */
#ifndef STORE_REACH_H
#define STORE_REACH_H

/* 0: *a and *b are new descriptors between which files can be linked. -1: they cannot. */
int reach_both(int dir_a, int dir_b, int *a, int *b);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program of this machine, with a process of ours above it that ends all it began.
 *
 * The supervisor is the subreaper of whatever the program forks, daemons that have left its session
 * too. When the program ends, when it is told to, and when nobody holds the other end of its
 * lifeline any more (a kill -9 of us), it kills them, generation by generation, and ends only when
 * it has no children left, with the program's exit code: 128 + N for signal N.
 *
 * It is two processes, the second above the first: when one is killed the other does the same. Who
 * kills both at one stroke leaves what the program forked to supervisor_kill_marked().
 */
#ifndef DIRECT_SUPERVISOR_H
#define DIRECT_SUPERVISOR_H

#include <sys/types.h>

#include <cleanroom/error.h>

struct supervisor {
    pid_t pid;    /* the upper one's */
    int pidfd;    /* readable when all is over; owned */
    int lifeline; /* a byte N: signal N for the program; its end: the end of all; owned */
};

/* out: standard output and error of the program, borrowed. Returns when the program runs, or why it
   does not. Call prctl() or signal() for nothing before: the program finds them as we did. */
int supervisor_start(struct supervisor *s, char *const *argv, char *const *env, const int out[2],
                     struct error *err);

/* Kills every process whose environment, as it was begun with, contains the mark; a word that
   nobody else has. */
void supervisor_kill_marked(const char *mark);

#endif

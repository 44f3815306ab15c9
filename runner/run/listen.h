/* SPDX-License-Identifier: Apache-2.0 */
/* What a run hears while it goes on: the engine's events, signals, and its janitor's death. */
#ifndef CLEANROOM_LISTEN_H
#define CLEANROOM_LISTEN_H

#include "run/run_parts.h"

/* Blocked for good; what was ignored when we began (nohup) stays ignored. Returns a signalfd. */
int run_block_signals(void);

/* Of the engine's events it hears until RUN_SWEEP, of all else until run_unlisten(). */
void run_listen(struct run *r);
void run_unlisten(struct run *r);

#endif

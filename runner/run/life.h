/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a run on its engine, by enum run_state: from its images to nothing left. */
#ifndef CLEANROOM_LIFE_H
#define CLEANROOM_LIFE_H

#include "run/run_parts.h"

void run_init_shards(struct run *r);
/* Until r->stop is true. */
void run_begin(struct run *r);
/* Everything that goes on is torn down; the first reason is the run's. */
void run_fail(struct run *r, const struct error *err);
void run_set_state(struct run *r, enum run_state state);

#endif

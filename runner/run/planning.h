/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan that several machines share: `plan -o FILE` brings up no more than is needed to list the
 * tests and writes it; `run --plan FILE` is held to it.
 */
#ifndef CLEANROOM_PLANNING_H
#define CLEANROOM_PLANNING_H

#include "run/run_parts.h"

/* How many shards have to be brought up for a plan: one when its app has to list the tests. */
size_t planning_shards(const struct run *r);
/* Once the images are known: those of the plan that is given. */
int planning_check(const struct run *r, struct error *err);
/* At the end of a run that plans. Says so. */
int planning_write(const struct run *r, struct error *err);

#endif

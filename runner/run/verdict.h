/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of all shards together when they have ended: did every test run exactly once? */
#ifndef CLEANROOM_VERDICT_H
#define CLEANROOM_VERDICT_H

#include "run/run_parts.h"

/* After result_settle(). Makes the proof, fills in the result's tally, properties and remarks, and
   remembers durations. Sentences of what is wrong are appended to `errors`: with one, a run that
   was green is red. */
void verdict_make(struct run *r, struct strvec *errors);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* How a run ended, and who is told: the exit code, the reports, the console. */
#ifndef CLEANROOM_OUTCOME_H
#define CLEANROOM_OUTCOME_H

#include "run/run_parts.h"

/* Ctrl-C is how it is ended. */
bool run_was_serving(const struct run *r);
/* The exit code it would give the run by itself. */
int shard_code(const struct shard *s);
/* Nothing of it is left that should not be there. */
bool run_is_clean(const struct run *r);

/* While the run goes on its report says so, and holds what is finished. */
int run_write_reports(struct run *r, int exit_code, struct error *err);
/* A report is written whole each time: not for each of a thousand shards that end together. */
void run_write_report_soon(struct run *r);
/* The last words. Returns the exit code; err as run_execute() has it. */
int run_conclude(struct run *r, struct error *err);

#endif

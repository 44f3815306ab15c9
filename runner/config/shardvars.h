/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The variables by which a test runner learns which part of the suite is its own.
 *
 * Only those that mean the same to everybody who reads them, and that change nothing else.
 */
#ifndef CONFIG_SHARDVARS_H
#define CONFIG_SHARDVARS_H

#include <stdbool.h>

#include <cleanroom/vec.h>

/* Sets all of them for shard `number` (1-based) of `total`. */
void shardvars_set(struct strvec *env, int number, int total, const char *scratch);

/* Runners that are told their tests by name must not take a part of those once more: sets what they
   read to the first of one. Ours (CLEANROOM_SHARD ...) keep saying where that is. */
void shardvars_set_undivided(struct strvec *env);

/* Is this the name of one of them? */
bool shardvars_has(const char *name);

#endif

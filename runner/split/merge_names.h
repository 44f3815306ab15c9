/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our writer gives no name twice: the second "test_a" of a class is called "test_a (2)", in
 * whatever shard it ran. Who wants to know whether a test ran twice has to undo that.
 */
#ifndef SPLIT_MERGE_NAMES_H
#define SPLIT_MERGE_NAMES_H

#include "split/planfile.h"

/* Of one report as it was read. plan: NULL, or what says that a test is really called so. */
void merge_restore_names(struct result *r, const struct planfile *plan);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What run.json says of tests and shards, for scripts. In it, once the run has ended:
 *
 *   "tests":  {"tests": 120, "passed": 118, "failed": 1, "errors": 0, "skipped": 1, "flaky": 2}
 *   "shards": [{"shard": 1, "verdict": "passed|failed|error|not run", "exit_code": 0,
 *               "seconds": 5.2, ... and as in "tests"}, ...]
 *   "failed": [{"shard": 2, "class": "shop.Cart", "name": "test_total", "file": "tests/cart.py",
 *               "line": 42, "message": "3 != 4"}, ...]       the first FACTS_TESTS_MAX
 *   "flaky":  [{"shard": 1, "class": ..., "name": ..., "failures": 2, "fresh": true}, ...]  as many
 *   "proof":  {"complete": true, "planned": 104, "ran": 104, "skipped": 0, "doubled": 0, "never":
 * 0}
 *
 * "proof" is there if anything is known, its "planned" and "never" if there was a list.
 */
#ifndef REPORT_FACTS_H
#define REPORT_FACTS_H

#include <jansson.h>

#include <cleanroom/result.h>

#define FACTS_TESTS_MAX 1000

/* codes: for each suite the exit code that it alone would give the run; -1: it has none. */
json_t *facts_of(const struct result *r, const int *codes);

#endif

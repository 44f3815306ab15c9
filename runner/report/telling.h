/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told of a result, whoever it is told to: the console, the CI that runs us, run.json.
 */
#ifndef REPORT_TELLING_H
#define REPORT_TELLING_H

#include <stdbool.h>

#include <cleanroom/result.h>
#include <cleanroom/strbuf.h>

#define TELLING_NAME_MAX    300
#define TELLING_MESSAGE_MAX 400
#define TELLING_HUMAN       24

/* Of the app's own tests: phases are none. */
struct test_counts {
    size_t tests, passed, failures, errors, skipped;
    size_t flaky; /* of the passed ones */
};
/* Adds. */
void telling_count(const struct result_suite *suite, struct test_counts *counts);
/* "32 tests: 30 passed (2 flaky), 1 failed, 1 skipped" */
void telling_tests(struct strbuf *out, const struct test_counts *counts);

enum shard_verdict {
    SHARD_PASSED,
    SHARD_FAILED,
    SHARD_ERROR,
    SHARD_NOT_RUN,
    SHARD_VERDICTS,
};
enum shard_verdict telling_judge(const struct result_suite *suite);
/* "passed", "failed", "error", "not run". */
const char *telling_verdict(enum shard_verdict verdict);

/* "4 shards: 3 passed, 1 failed"; adds all suites' tests to *tests. */
void telling_shards(struct strbuf *out, const struct result *r, struct test_counts *tests);

/* "1.18s" in text, which it returns. */
const char *telling_human(nsec_t duration, char text[TELLING_HUMAN]);

/* Failed or in error, and not only because of others that are told themselves. */
bool telling_is_problem(const struct result_suite *suite, const struct result_case *c);

/* "shop.CartTest test_total", one clean line; of a phase its name alone. Release with free(). */
char *telling_title(const struct result_case *c);
/* "tests/cart.py:42", or NULL; release with free(). */
char *telling_place(const struct result_case *c);
/* The end of what the case said (its text, or else its output), clean and as a terminal would have
   left it; each line ends with a newline. Release with free(). */
char *telling_log(const struct result_case *c, size_t lines, size_t max);
/* "failed twice, passed in a fresh world"; of a flaky case. Release with free(). */
char *telling_flaky(const struct result_case *c);

/* "104 tests planned, 104 ran, each exactly once"; NULL: there is nothing to prove. Release with
   free(). */
char *telling_proof(const struct result *r);

#endif

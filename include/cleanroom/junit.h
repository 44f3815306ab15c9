/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JUnit report: the result model as XML, and back. Bodies in runner/report/.
 */
#ifndef CLEANROOM_JUNIT_H
#define CLEANROOM_JUNIT_H

#include <cleanroom/result.h>

/* Where the readers of junit.xml differ. */
enum junit_dialect {
    DIALECT_JENKINS,
    DIALECT_SUREFIRE,
    DIALECT_GITLAB,
};

/*
 * Writes junit.xml into directory `dir` (open descriptor) by way of a temporary file, fsync and
 * rename, so that a reader sees the old or the new report and never half of one. The form is the
 * intersection of Jenkins' junit-10.xsd and what GitLab, CircleCI, Buildkite and Azure read.
 */
int junit_write(const struct result *r, enum junit_dialect dialect, int dir, const char *name,
                struct error *err);

/*
 * Reads test cases from a JUnit XML document (root testsuites or testsuite, nested suites, any
 * dialect) and appends them to *suite. Never loads external entities, bounded in depth and size.
 * Returns the number of cases, or -1 with a reason.
 */
long junit_read(const char *xml, size_t len, struct result_suite *suite, struct error *err);

/*
 * Reads a whole report of ours, in any dialect, and appends its suites to *r: phases and all, with
 * their properties, times, host names and outputs, as far as the dialect holds them. Of others'
 * reports every outermost suite is one; those that are not named "shard K of N" are shard 0.
 *
 * Sets what *r says of the run as far as the report does: run_id, name, properties, the tally,
 * times. r->finished tells whether it was the last report of its run: what is not finished has a
 * case "run" in error, too. Returns the number of cases, or -1 with a reason, and *r as it was.
 */
long junit_read_suites(const char *xml, size_t len, struct result *r, struct error *err);

#endif

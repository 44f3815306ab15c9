/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JUnit report: the result model as XML, and back. Bodies in runner/report/.
 */
#ifndef CLEANROOM_JUNIT_H
#define CLEANROOM_JUNIT_H

#include <cleanroom/result.h>

/*
 * Where the readers of junit.xml differ. Common to all: one element per test, however often it ran
 * (failure or error and rerunFailure for each later run; flakyFailure for each run that failed of
 * a test that passed), no (classname, name) twice (GitLab and Jenkins drop or merge those), no
 * suite without a case (Jenkins does not show it), times with three decimals, and nothing that XML
 * 1.0 forbids. What the run as a whole says is in the properties of the first suite.
 *
 *           jenkins                    surefire                      gitlab
 * root      testsuites                 one testsuite; a case's       testsuites
 *                                      group is its shard
 * suite     timestamp, hostname,       counts and time alone         as jenkins
 *           outputs
 * testcase  no file                    no file                       file, line
 * output    of each test               of each test                  of tests that failed
 * problem   message, type, text        type is never missing         message and type begin the
 * text reruns    rerunFailure, flaky-       rerunError, flakyError, too;  as surefire Failure alone
 * in the order of the schema
 *
 * jenkins: junit-10.xsd of its xunit plugin, which is also what pytest and most others write. Its
 * junit plugin reads no flakyError (jenkinsci/junit-plugin issue 237): an error is told as failure.
 * surefire: maven-surefire-plugin's surefire-test-report.xsd.
 * gitlab: docs.gitlab.com/ci/testing/unit_test_reports and lib/gitlab/ci/parsers/test/junit.rb. Of
 * failure, error and skipped it shows the text alone, or all attributes as a Ruby hash when there
 * is none, and by way of Rails takes an attribute "type" for a cast: "integer" makes a number of
 * the text, "yaml" has the report refused. It shows no output of tests that passed, and refuses
 * files beyond 30 MB.
 */
enum junit_dialect {
    DIALECT_JENKINS,
    DIALECT_SUREFIRE,
    DIALECT_GITLAB,
};

/*
 * Writes junit.xml into directory `dir` (open descriptor) by way of a temporary file, fsync and
 * rename, so that a reader sees the old or the new report and never half of one.
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a report of ours says besides its cases, and in which words: junit_write.c writes them,
 * junit_read.c finds them again.
 */
#ifndef REPORT_JUNIT_FACTS_H
#define REPORT_JUNIT_FACTS_H

#include <cleanroom/junit.h>

/* Begins the message of the case "run" of class "cleanroom" while the run goes on. */
#define JUNIT_UNFINISHED "started, not finished"

/* Surefire's form has one suite, in which properties are "SUITE: KEY". */
#define JUNIT_OF_SUITE ": "

/* "2014-08-02T10:11:12", in UTC without saying so, as Ant's own reports have it: some readers take
   no zone here. */
#define JUNIT_TIMESTAMP_LENGTH (sizeof("2014-08-02T10:11:12") - 1)

/* The run's own properties and its tally, as "key=value" of the report's first suite. */
void junit_say_run(const struct result *r, struct strvec *properties);
/* A property of a suite, which may be one of these. */
void junit_hear_property(struct result *r, struct result_suite *s, const char *key,
                         const char *value);

/* Nanoseconds since the epoch; 0: not known. */
nsec_t junit_parse_timestamp(const char *s);

/* With room for an output that was bounded before. The pointers are valid until the next add. */
struct result_suite *junit_add_suite(struct result *r, const char *name);
/* Adds it when there is none of that name. */
struct result_suite *junit_find_suite(struct result *r, const char *name);

/* The one suite of surefire's form was but the frame of those that its cases name: its name and
   time are the run's. */
void junit_drop_root(struct result *r);

/* A document was read into `whole`: moves it to the end of r. */
void junit_take_over(struct result *r, struct result *whole);

#endif

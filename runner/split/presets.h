/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of test runners, a row of data for each.
 *
 * All words are arguments that follow `test`: the app's entry point hands them to its runner.
 */
#ifndef SPLIT_PRESETS_H
#define SPLIT_PRESETS_H

#include "split/list.h"
#include "split/part.h"

#define PRESET_WORDS 6

struct preset {
    const char *name;

    /* How to list: by words, or (list[0] is NULL) by the names of its test files, which are shell
       patterns with blanks between them. What files_dotted makes of them are units as they are, to
       be handed out as GRANULARITY_TEST: an app that lists its tests itself has finer ones. */
    const char *list[PRESET_WORDS];
    const char *files;
    bool list_on_stderr;
    bool list_status_counts; /* its exit status is the number of tests */
    bool files_dotted;       /* "tests/test_a.py" is named "tests.test_a" */
    enum list_format format;
    enum naming naming;
    enum granularity granularity; /* the finest that it can run exactly */

    /* How to run a part of this granularity; [0] NULL: it cannot. */
    struct {
        const char *words[PRESET_WORDS];
        const char *each; /* of {tests}, as struct part_form */
    } part[GRANULARITIES];
    const char *joiner;
    enum part_quote quote;

    /* Its own shard flag, and what it reads by itself of the variables of a shard. */
    const char *shard[PRESET_WORDS];
    const char *shard_variables;

    /* Where its JUnit report goes: by words, or by a variable "NAME=value". Neither: only what it
       prints. A plugin it needs for that. */
    const char *report[PRESET_WORDS];
    bool report_is_directory; /* which must be there, for a file with a name of its own */
    const char *report_variable;
    const char *report_plugin;

    int empty_status; /* its exit status when it had no test to run, or 0 */

    const char *source; /* where this is documented */
};

/* NULL: there is none of this name. */
const struct preset *preset_find(const char *name);
/* The i-th of all, in the order of the documentation; NULL after the last. */
const struct preset *preset_at(size_t i);

/* The form for a part at a granularity; false: it cannot run such a part. */
bool preset_form(const struct preset *p, enum granularity granularity, struct part_form *form);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How runners name tests: in a list, and otherwise in a report.
 *
 * pytest lists "tests/test_a.py::TestX::test_y[1]" and reports class "tests.test_a.TestX", name
 * "test_y[1]". Both have the same key here, "tests.test_a.TestX.test_y[1]". What a report tells of
 * parts of a test (Go's subtests, Catch2's sections) finds its test by naming_parent().
 *
 * Everything returned is released with free().
 */
#ifndef SPLIT_NAMING_H
#define SPLIT_NAMING_H

#include <stdbool.h>

#include <cleanroom/result.h>

enum naming {
    NAMING_PLAIN,      /* nothing is known: the case is "classname.name" */
    NAMING_NAME,       /* the case's name is the test: ctest, Catch2, RSpec's full description */
    NAMING_DOTTED,     /* "package.module.Class.test", GoogleTest's "Suite.Test" */
    NAMING_PYTEST,     /* "path/file.py::Class::test[parameters]" */
    NAMING_PHPUNIT,    /* "Space\Class::test#0" */
    NAMING_GO,         /* "package Test"; the runner selects by the bare name of the test */
    NAMING_NEXTEST,    /* "binary test" */
    NAMING_MOCHA,      /* "file::title", the list brings the key */
    NAMING_RSPEC,      /* "./spec/a_spec.rb[1:2]", the list brings the key */
    NAMING_PLAYWRIGHT, /* "[project] > file:line:column > title" with U+203A for '>'; the project
                          only where there are some */
    NAMING_FILE,       /* a file, of which reports tell nothing */
    NAMING_FILE_CLASS, /* a file whose base name is the class of its cases: bats */
    NAMING_FILE_PATH,  /* a file whose path is the class of its cases: Vitest */
    NAMINGS,
};

/* What is handed to a shard as a whole. */
enum granularity {
    GRANULARITY_TEST,
    GRANULARITY_CLASS,
    GRANULARITY_FILE,
    GRANULARITIES,
};

const char *granularity_name(enum granularity g);
/* -1: there is none of this name. */
int granularity_of(const char *name);

/* The test, class or file that test `id` belongs to, as the runner wants it to be named. Where a
   naming knows no class or file, the next smaller one. */
char *naming_group(enum naming naming, const char *id, enum granularity granularity);
/* The key of a test as listed. */
char *naming_key(enum naming naming, const char *id);
/* The key of a case as reported. */
char *naming_case(enum naming naming, const struct result_case *c);
/* Cuts the last part off a key; false: it has none to cut off. */
bool naming_parent(enum naming naming, char *key);
/* The byte between a key and its parts, or 0. */
char naming_separator(enum naming naming);
/* Whether a list has files of which reports tell no names. */
bool naming_is_blind(enum naming naming);
/* Whether different tests may well have the same key: titles are not unique. */
bool naming_repeats(enum naming naming);
/* Of a fixture ("setUpClass (package.module.Class)"): what it is for, with all its tests; or NULL.
 */
char *naming_fixture(enum naming naming, const char *key);

/* For qsort() and its like: elements that begin with the address of their key or name. */
int naming_compare(const void *a, const void *b);
/* Of `len` such elements of this size, sorted: the first whose key is not below `key`. */
size_t naming_place(const void *items, size_t len, size_t size, const char *key);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of tests, as test runners print it.
 *
 * What is no test (summaries, warnings, what an entry point says first) is left out, as far as the
 * format can tell. The order is kept. A test that is there twice is an error, because nobody could
 * say which of the two ran (but Mocha's, which are run by files); so is an empty list.
 */
#ifndef SPLIT_LIST_H
#define SPLIT_LIST_H

#include <cleanroom/error.h>
#include <cleanroom/vec.h>

#include "split/naming.h"

enum list_format {
    LIST_PLAIN,      /* one a line; blank lines and those that begin with '#' are none */
    LIST_PYTEST,     /* pytest --collect-only -q */
    LIST_UNITTEST,   /* "test_a (module.Class) ... ok": nose2 -v --collect-only */
    LIST_GTEST,      /* --gtest_list_tests */
    LIST_CTEST,      /* ctest -N */
    LIST_GO,         /* go test -list . ./... */
    LIST_PHPUNIT,    /* phpunit --list-tests */
    LIST_NEXTEST,    /* cargo nextest list --message-format=human */
    LIST_PLAYWRIGHT, /* playwright test --list */
    LIST_MOCHA,      /* mocha --dry-run --reporter=json */
    LIST_RSPEC,      /* rspec --dry-run --format=json */
    LIST_FORMATS,
};

#define LIST_TESTS_MAX 200000
#define LIST_ID_MAX    ((size_t)4 << 10)
#define LIST_TEXT_MAX  ((size_t)32 << 20)

struct test {
    char *id;  /* as the runner names it when it is told to run it */
    char *key; /* as naming_case() names it in reports */
};

struct test_list {
    VEC(struct test) tests;
};

#define TEST_LIST_INIT      ((struct test_list){0})
#define _cleanup_test_list_ _cleanup_(test_list_deinit)

const char *list_format_name(enum list_format format);
/* -1: there is none of this name. */
int list_format_of(const char *name);

/* Reads what a runner printed into the empty *list. */
int test_list_read(struct test_list *list, enum list_format format, enum naming naming,
                   const char *text, size_t len, struct error *err);
void test_list_deinit(struct test_list *list);

#endif

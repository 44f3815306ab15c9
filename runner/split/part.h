/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words by which a test runner is told to run a part of its tests.
 *
 *     {test}   the word is repeated, once for each
 *     {tests}  all of them, quoted and joined
 *     {file}   the path of a file with one quoted test a line: part_file() has its content
 *     {number} {index} {total}   the shard, from 1, from 0, and how many there are
 *     {report} the path of the report
 *
 * Other braces are left alone.
 */
#ifndef SPLIT_PART_H
#define SPLIT_PART_H

#include <cleanroom/error.h>
#include <cleanroom/vec.h>

/* What would be read as something else than itself in a word. */
enum part_quote {
    QUOTE_NONE,
    QUOTE_REGEX,  /* PCRE, RE2 and their kin: a backslash before what means something */
    QUOTE_POSIX,  /* CMake's own expressions: each such byte in brackets */
    QUOTE_CATCH2, /* a line in double quotes */
};

struct part_form {
    const char *const *words; /* ends with NULL */
    const char *joiner;       /* between {tests}; NULL is a blank */
    enum part_quote quote;
    const char *each; /* how one of {tests} looks, printf's %s for it; NULL is "%s" */
};

struct part_values {
    const struct strvec *tests; /* NULL: the words are not about tests */
    const char *file;
    const char *report;
    int number, total;
};

/* Linux takes 128 KiB in one word and a quarter of the stack's limit, 2 MiB, in all. */
#define PART_WORD_MAX  ((size_t)127 << 10)
#define PART_WORDS_MAX ((size_t)1536 << 10)

/* Appends the words. An empty part is an error: most runners take no test for all of them. */
int part_words(struct strvec *words, const struct part_form *form, const struct part_values *values,
               struct error *err);
/* One test a line. Release with free(). */
char *part_file(const struct part_form *form, const struct strvec *tests);

#endif

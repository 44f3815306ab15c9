/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers: what a test runner prints, as test cases. Bodies in runner/read/.
 *
 *     struct reader *r = reader_new(NULL);
 *     reader_feed(r, bytes, len);           // as they come
 *     struct reader_report report = {0};
 *     reader_finish(r, suite, &report);
 *     reader_free(r);
 *
 * Any bytes in any pieces. All formats look at the output side by side until one of them sees what
 * no other prints, and is sure; the others are dropped then. Nothing is ever loaded, nothing
 * recurses, and what is kept is bounded: lines (READER_LINE_MAX), the text of a case (its head and
 * its tail), all texts together, and the number of cases. What is over is left out and said.
 */
#ifndef CLEANROOM_READER_H
#define CLEANROOM_READER_H

#include <stdbool.h>
#include <stddef.h>

#include <cleanroom/result.h>

#define READER_LINE_MAX  ((size_t)1 << 20)
#define READER_CASES_MAX 200000

struct sink; /* runner/read/sink.h */

struct reader_format {
    const char *name;           /* "tap" */
    const char *doc;            /* what prints it */
    size_t state_size;          /* zeroed */
    void (*begin)(void *state); /* may be NULL */
    /* One of the two. A line comes without its end, clean (report/text.h) and without NULs. */
    void (*line)(void *state, struct sink *s, const char *line, size_t len);
    void (*bytes)(void *state, struct sink *s, const unsigned char *bytes, size_t len);
    /* The output has ended; before deinit. May be NULL. */
    void (*end)(void *state, struct sink *s);
    /* Releases what the state holds. May be NULL. */
    void (*deinit)(void *state);
};

/* NULL-terminated, in the order of precedence should two be sure of one line. */
extern const struct reader_format *const reader_formats[];

struct reader_report {
    const struct reader_format *format; /* NULL: none recognised */
    size_t cases;                       /* that were appended */
    /* How many tests there were (or were to be) in the runner's own words; -1: it did not say.
       Comparable with `cases` less `extras`. */
    long said;
    size_t extras; /* cases that the runner does not count: a file that could not be loaded ... */
    bool partial;  /* tests that passed are not all named but numbered: the runner's short output */
    char *problem; /* cut short, or at odds with itself: one sentence; or NULL */
};
void reader_report_deinit(struct reader_report *report);

/* Whether the name is the reader's, "test 7" of the format: TAP streams may number their tests
   only, and what passed is named by many runners only if they are told to. Of two shards they are
   not the same. */
bool reader_has_named(const struct result_case *c);

struct reader;

/* NULL: the format is recognised. A name that is none yields NULL. */
struct reader *reader_new(const char *format);
void reader_feed(struct reader *r, const void *bytes, size_t len);
/* Appends the cases to suite. To be called once. */
void reader_finish(struct reader *r, struct result_suite *suite, struct reader_report *report);
void reader_free(struct reader *r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one format has found: its cases while they come to be, and what the runner said of them.
 *
 * A case is opened, has texts, and is closed with its verdict; one that is never closed did not
 * end. Texts may come after the verdict as well: they are there once they are flushed. At most
 * SINK_SLOTS cases have texts that are not flushed; what further ones say is left out, and so is
 * what comes once a case's text has been flushed at full length.
 */
#ifndef READ_SINK_H
#define READ_SINK_H

#include <cleanroom/reader.h>
#include <cleanroom/result.h>
#include <cleanroom/vec.h>

#include "read/index.h"

#define SINK_NONE  INDEX_NONE
#define SINK_SLOTS 1024

struct sink_slot {
    bool used;
    struct capture text, output;
};

struct sink_mark { /* one for each case */
    int slot;      /* + 1 */
    bool closed;
    bool full;   /* its text is as long as it may be */
    size_t next; /* in its queue */
};

struct sink {
    struct result_suite found;
    VEC(struct sink_mark) marks;
    VEC(struct sink_slot) slots;
    VEC(int) free_slots;
    struct index keys, queues;
    size_t names_bytes, texts_bytes;
    bool left_out; /* some of the cases */

    bool sure;
    long said; /* -1: nothing */
    /* As the runner counts them, for those that it does not name; passed < 0: it did not say. */
    long passed, skipped;
    size_t extras;
    bool partial;
    char *problem;
};

void sink_init(struct sink *s);
void sink_deinit(struct sink *s);

/* SINK_NONE when there are too many; the functions below take it and do nothing. The names are
   cleaned, cut, and never empty. */
size_t sink_open(struct sink *s, const char *classname, const char *name);
/* Other names than those it was opened with. */
void sink_rename(struct sink *s, size_t at, const char *classname, const char *name);
/* duration < 0: not known. Flushes. What was text of a case that did not fail is its output. */
void sink_close(struct sink *s, size_t at, enum case_status status, nsec_t duration);
/* Opens and closes. */
size_t sink_add(struct sink *s, const char *classname, const char *name, enum case_status status,
                nsec_t duration);
/* NULL for SINK_NONE. Valid until the next is opened. */
struct result_case *sink_case(struct sink *s, size_t at);
bool sink_is_open(const struct sink *s, size_t at);

/* Lets a case be found by a key; of several with the same, the last. */
void sink_key(struct sink *s, size_t at, const char *key);
size_t sink_find(const struct sink *s, const char *key);
/* A case waits, in one queue at most, to be claimed: in the order they came, each once. */
void sink_queue(struct sink *s, size_t at, const char *key);
size_t sink_claim(struct sink *s, const char *key);

void sink_text(struct sink *s, size_t at, const char *text, size_t len);
void sink_line(struct sink *s, size_t at, const char *line);
void sink_output(struct sink *s, size_t at, const char *text, size_t len);
void sink_flush(struct sink *s, size_t at);
/* The first ones count; NULL is none. */
void sink_message(struct sink *s, size_t at, const char *message);
void sink_type(struct sink *s, size_t at, const char *type);
/* Both, from "TypeError: no such". */
void sink_error(struct sink *s, size_t at, const char *line);
/* Both, from the Python traceback that is its text. */
void sink_traceback(struct sink *s, size_t at);

/* No other runner prints this. */
void sink_sure(struct sink *s);
/* Adds to what the runner says there is. */
void sink_say(struct sink *s, long tests);
/* The first one counts. */
void sink_problem(struct sink *s, const char *fmt, ...) _printf_(2, 3);
/* The output has ended: what is open did not end, and there must be as many as the runner said.
   More are none lost: a test may print what looks like another. Of a partial output, those that
   have no name get one. */
void sink_end(struct sink *s, const char *format);

/* What precedes the number of a test that has no name; its class is the format. */
#define SINK_NAMELESS "test "

#endif

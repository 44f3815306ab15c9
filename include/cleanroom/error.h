/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors are values.
 *
 * A function that can fail takes `struct error *err` last and returns -1 (or NULL). The error is
 * set once where it originates, wrapped with context on the way up ("shard 3: service 'db': ..."),
 * and printed once, in runner/cli. Message law: lower case, no full stop, what failed first, names
 * in 'single quotes', and what to do next where we know it.
 *
 * "Not found on delete" and "name taken" are outcomes (see engine.h), not errors.
 */
#ifndef CLEANROOM_ERROR_H
#define CLEANROOM_ERROR_H

#include <cleanroom/mem.h>

enum error_kind {
    ERROR_NONE = 0,
    ERROR_USAGE,     /* the command line is wrong: exit code 2 */
    ERROR_CONFIG,    /* a file or variable is wrong: exit code 2 */
    ERROR_ENGINE,    /* the engine refused, broke or is not there: exit code 3 */
    ERROR_SERVICE,   /* a service did not come up or died: exit code 3 */
    ERROR_TIMEOUT,   /* a deadline passed: exit code 124 */
    ERROR_CANCELLED, /* we were told to stop: exit code 128+n */
    ERROR_INTERNAL,  /* the local system failed us (no space, no descriptors): exit code 3 */
};

struct error {
    enum error_kind kind;
    char *message; /* one sentence, owned */
    char *detail; /* further lines to show below it (a source line and its caret), owned, or NULL */
};

#define ERROR_INIT      ((struct error){0})
#define _cleanup_error_ _cleanup_(error_clear)

/* Sets *err, which must be empty, and returns -1. err may be NULL: nobody wants to know. */
int error_set(struct error *err, enum error_kind kind, const char *fmt, ...) _printf_(3, 4);
/* As error_set(), with ": strerror(errnum)" appended. */
int error_set_errno(struct error *err, enum error_kind kind, int errnum, const char *fmt, ...)
    _printf_(4, 5);
/* Puts "context: " before the message and returns -1. */
int error_wrap(struct error *err, const char *fmt, ...) _printf_(2, 3);
/* Appends to detail. */
void error_detail(struct error *err, const char *fmt, ...) _printf_(2, 3);
/* Releases the content; *err is empty afterwards. Idempotent. */
void error_clear(struct error *err);
/* Moves *from into the empty *to and empties *from. */
void error_move(struct error *to, struct error *from);
/* Copies, deep. */
void error_copy(struct error *to, const struct error *from);

static inline int error_is_set(const struct error *err)
{
    return err->kind != ERROR_NONE;
}

/* The exit code of an error kind by the table in the README (a signal's 128+n is the caller's). */
int error_exit_code(enum error_kind kind);

#endif

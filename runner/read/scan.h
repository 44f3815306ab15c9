/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small words that several formats share. Strings are clean (report/text.h).
 */
#ifndef READ_SCAN_H
#define READ_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include <cleanroom/clock.h>

/* What follows prefix, or NULL. */
const char *scan_prefix(const char *s, const char *prefix);
/* Decimal digits, at most nine. What follows them, or NULL. */
const char *scan_number(const char *s, long *number);
/* The blanks at the begin. */
size_t scan_indent(const char *s);
/* The length of s without the blanks at its end. */
size_t scan_trimmed(const char *s, size_t len);
/* "12 ms", "1.5s", "2m". What follows, or NULL. */
const char *scan_time(const char *s, nsec_t *took);
/* The length of s without a time in parentheses at its end: "adds (2 ms)"; *took stays where there
   is none. */
size_t scan_without_time(const char *s, size_t len, nsec_t *took);
/* Without the quotes around it, if there are; release with free(). */
char *scan_unquoted(const char *s);
/* A duration out of what may be any number. */
nsec_t scan_seconds(double seconds);
/* The length of the type's name at the begin of "TypeError [CODE]: no such", or 0. */
size_t scan_error_type(const char *s);
/* Where in a Python traceback its last exception is, and how long the type's name; or NULL. */
const char *scan_traceback(const char *text, size_t *type_len);

#endif

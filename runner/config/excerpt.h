/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of a text with a caret below one of its columns, for error messages.
 *
 * Lines and columns are 1-based and columns count characters, as libyaml's marks do; lines end
 * where libyaml ends them (also at NEL, LS and PS). Any bytes are safe to show: what is not
 * printable becomes '?'.
 */
#ifndef CLEANROOM_EXCERPT_H
#define CLEANROOM_EXCERPT_H

#include <stddef.h>

/* "the line\n    ^"; a long line is shown in part. NULL when there is no such line or nothing in
   it. Release with free(). */
char *excerpt_text(const char *text, size_t len, size_t line, size_t column);

/* Where the byte at `offset` stands. */
void excerpt_position(const char *text, size_t len, size_t offset, size_t *line, size_t *column);

#endif

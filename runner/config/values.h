/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text -> numbers, times, sizes and truth values, and back. Nothing is guessed: all of the text
 * must make sense, and nothing overflows. The parsers return 0, or -1 for what is not one.
 */
#ifndef CLEANROOM_VALUES_H
#define CLEANROOM_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include <cleanroom/clock.h>

/* true, yes, on, 1; false, no, off, 0; in any case of letters. */
int value_bool(const char *text, bool *out);
/* Decimal digits, perhaps after a minus. */
int value_int(const char *text, int64_t *out);
/* 4096, 64k, 512m, 2g, 1t; also 512mb and 512MiB: always powers of 1024. */
int value_size(const char *text, uint64_t *out);
/* "2", "1.5", "0.125": thousandths; at most three digits after the point. */
int value_milli(const char *text, uint64_t *out);
/* Seconds, or a sum of parts in d, h, m, s, ms: 90, 90s, 5m, 1h30m, 250ms. */
int value_duration(const char *text, nsec_t *out);

/* As a person would write it: "1h30m", "512m". Release with free(). */
char *value_duration_text(nsec_t duration);
char *value_size_text(uint64_t bytes);

#endif

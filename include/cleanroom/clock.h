/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One time type: nsec_t, nanoseconds of CLOCK_MONOTONIC (or a duration in nanoseconds).
 */
#ifndef CLEANROOM_CLOCK_H
#define CLEANROOM_CLOCK_H

#include <stddef.h>
#include <stdint.h>

typedef int64_t nsec_t;

#define NSEC_PER_USEC INT64_C(1000)
#define NSEC_PER_MSEC INT64_C(1000000)
#define NSEC_PER_SEC  INT64_C(1000000000)
#define NSEC_INFINITY INT64_MAX

nsec_t clock_now(void);
/* Nanoseconds since the epoch (CLOCK_REALTIME). */
nsec_t clock_wall(void);
/* "2014-08-02T10:11:12.345Z"; size >= CLOCK_ISO_SIZE. */
#define CLOCK_ISO_SIZE 32
void clock_iso8601(nsec_t wall, char *out, size_t size);
/* "350ms", "1.25s", "2m05s": for people; size >= 16. */
void clock_human(nsec_t duration, char *out, size_t size);

static inline double nsec_to_sec(nsec_t t)
{
    return (double)t / 1e9;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/clock.h>

#include <stdio.h>
#include <time.h>

static nsec_t read_clock(clockid_t id)
{
    struct timespec ts;
    (void)clock_gettime(id, &ts);
    return (nsec_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

nsec_t clock_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

nsec_t clock_wall(void)
{
    return read_clock(CLOCK_REALTIME);
}

void clock_iso8601(nsec_t wall, char *out, size_t size)
{
    time_t sec = (time_t)(wall / NSEC_PER_SEC);
    struct tm tm;
    char date[32];
    (void)gmtime_r(&sec, &tm);
    (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(out, size, "%s.%03dZ", date, (int)(wall % NSEC_PER_SEC / NSEC_PER_MSEC));
}

void clock_human(nsec_t duration, char *out, size_t size)
{
    if (duration < NSEC_PER_SEC)
        (void)snprintf(out, size, "%dms", (int)(duration / NSEC_PER_MSEC));
    else if (duration < 100 * NSEC_PER_SEC)
        (void)snprintf(out, size, "%.2fs", nsec_to_sec(duration));
    else
        (void)snprintf(out, size, "%dm%02ds", (int)(duration / NSEC_PER_SEC / 60),
                       (int)(duration / NSEC_PER_SEC % 60));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/clock.h>

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

static nsec_t read_clock(clockid_t id)
{
    struct timespec ts;
    (void)clock_gettime(id, &ts);
    return (nsec_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

nsec_t clock_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

nsec_t clock_wall(void)
{
    return read_clock(CLOCK_REALTIME);
}

/* Not gmtime_r() and strftime(): they bring time zones and locales into the static satellite. */
void clock_iso8601(nsec_t wall, char *out, size_t size)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t ms = wall / NSEC_PER_MSEC;
    int day = (int)(ms / 86400000), rest = (int)(ms % 86400000), year = 1970, month = 0;

    for (int days; day >= (days = 365 + is_leap(year)); year++)
        day -= days;
    for (int days; day >= (days = lengths[month] + (month == 1 && is_leap(year))); month++)
        day -= days;
    (void)snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", year, month + 1, day + 1,
                   rest / 3600000, rest / 60000 % 60, rest / 1000 % 60, rest % 1000);
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

/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/log.h>

#include <cleanroom/clock.h>

static enum log_level current = LOG_WARNING;

void log_set_level(enum log_level level)
{
    current = level;
}

int log_enabled(enum log_level level)
{
    return level <= current;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
    if (!log_enabled(level))
        return;

    static const char *const names[] = {"error", "warning", "info", "debug", "trace"};
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *text = xvasprintf(fmt, ap);
    va_end(ap);
    if (level >= LOG_DEBUG)
        fprintf(stderr, "cleanroom: %.6f %s: %s\n", nsec_to_sec(clock_now()), names[level], text);
    else
        fprintf(stderr, "cleanroom: %s: %s\n", names[level], text);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Diagnostics on standard error, for the person who debugs cleanroom itself. What a user is meant
 * to read (the live lines, the summary, the error) is runner/report's and runner/cli's.
 */
#ifndef CLEANROOM_LOG_H
#define CLEANROOM_LOG_H

#include <cleanroom/mem.h>

enum log_level {
    LOG_ERROR,
    LOG_WARNING,
    LOG_INFO,
    LOG_DEBUG, /* every state change */
    LOG_TRACE, /* every request to the engine */
};

/* The one mutable global of the program. Default: LOG_WARNING. */
void log_set_level(enum log_level level);
int log_enabled(enum log_level level);
void log_msg(enum log_level level, const char *fmt, ...) _printf_(2, 3);

#define log_warning(...) log_msg(LOG_WARNING, __VA_ARGS__)
#define log_debug(...)   log_msg(LOG_DEBUG, __VA_ARGS__)
#define log_trace(...)   log_msg(LOG_TRACE, __VA_ARGS__)

#endif

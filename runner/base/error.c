/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/error.h>

#include <assert.h>
#include <string.h>

static void set(struct error *err, enum error_kind kind, char *message)
{
    assert(kind != ERROR_NONE);
    assert(err->kind == ERROR_NONE);
    err->kind = kind;
    err->message = message;
}

int error_set(struct error *err, enum error_kind kind, const char *fmt, ...)
{
    if (!err)
        return -1;

    va_list ap;
    va_start(ap, fmt);
    set(err, kind, xvasprintf(fmt, ap));
    va_end(ap);
    return -1;
}

int error_set_errno(struct error *err, enum error_kind kind, int errnum, const char *fmt, ...)
{
    if (!err)
        return -1;

    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *what = xvasprintf(fmt, ap);
    va_end(ap);
    set(err, kind, xasprintf("%s: %s", what, strerror(errnum)));
    return -1;
}

int error_wrap(struct error *err, const char *fmt, ...)
{
    if (!err)
        return -1;

    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *context = xvasprintf(fmt, ap);
    va_end(ap);
    char *message = xasprintf("%s: %s", context, err->message);
    free(err->message);
    err->message = message;
    return -1;
}

void error_detail(struct error *err, const char *fmt, ...)
{
    if (!err)
        return;

    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *more = xvasprintf(fmt, ap);
    va_end(ap);
    char *detail = xasprintf("%s%s", err->detail ? err->detail : "", more);
    free(err->detail);
    err->detail = detail;
}

void error_clear(struct error *err)
{
    free(err->message);
    free(err->detail);
    *err = ERROR_INIT;
}

void error_move(struct error *to, struct error *from)
{
    assert(to->kind == ERROR_NONE);
    *to = *from;
    *from = ERROR_INIT;
}

void error_copy(struct error *to, const struct error *from)
{
    assert(to->kind == ERROR_NONE);
    to->kind = from->kind;
    to->message = xstrdup(from->message);
    to->detail = xstrdup(from->detail);
}

int error_exit_code(enum error_kind kind)
{
    static const int codes[] = {
        [ERROR_NONE] = 0,    [ERROR_USAGE] = 2,     [ERROR_CONFIG] = 2,    [ERROR_ENGINE] = 3,
        [ERROR_SERVICE] = 3, [ERROR_TIMEOUT] = 124, [ERROR_CANCELLED] = 3, [ERROR_INTERNAL] = 3,
    };
    return codes[kind];
}

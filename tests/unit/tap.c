/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <stdarg.h>
#include <stdio.h>

static bool current_failed;

bool tap_check(bool ok, const char *file, int line, const char *fmt, ...)
{
    if (ok)
        return true;

    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *text = xvasprintf(fmt, ap);
    va_end(ap);
    printf("# %s:%d: %s\n", file, line, text);
    current_failed = true;
    return false;
}

int tap_run(const struct tap_test *tests)
{
    int failed = 0, n = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (; tests[n].fn; n++) {
        current_failed = false;
        tests[n].fn();
        printf("%s %d - %s\n", current_failed ? "not ok" : "ok", n + 1, tests[n].name);
        failed += current_failed;
    }
    printf("1..%d\n", n);
    return failed ? 1 : 0;
}

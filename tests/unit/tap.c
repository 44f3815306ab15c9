/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

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

void tap_side_by_side(void (*fn)(int which), int count)
{
    for (int i = 0; i < count; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            current_failed = false;
            fn(i);
            exit(current_failed); /* not _exit(): leaks are looked for */
        }
        check(pid > 0);
    }
    for (int i = 0; i < count; i++) {
        int status = -1;
        check(wait(&status) > 0);
        check_int(status, 0);
    }
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

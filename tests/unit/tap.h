/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests that say what they saw: TAP 13 on standard output.
 *
 *     static void test_split(void) { check_str(strvec_join(&v, ","), "a,b"); }
 *     int main(void) { return tap_run((struct tap_test[]){TAP(test_split), {0}}); }
 */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <stdbool.h>
#include <string.h>

#include <cleanroom/mem.h>

struct tap_test {
    const char *name;
    void (*fn)(void);
};
#define TAP(fn)                                                                                    \
    {                                                                                              \
#fn, fn                                                                                    \
    }

/* Runs all; returns the exit code. */
int tap_run(const struct tap_test *tests);

/* Runs fn(0) to fn(count - 1) side by side, each in a process of its own; what fails in one has
   failed in the running test. */
void tap_side_by_side(void (*fn)(int which), int count);

/* Marks the running test failed and tells where; the test goes on. Returns ok. */
bool tap_check(bool ok, const char *file, int line, const char *fmt, ...) _printf_(4, 5);

#define check(cond) tap_check((cond), __FILE__, __LINE__, "%s", #cond)
#define check_int(got, want)                                                                       \
    __extension__({                                                                                \
        long long _g = (long long)(got), _w = (long long)(want);                                   \
        tap_check(_g == _w, __FILE__, __LINE__, "%s: got %lld, want %lld", #got, _g, _w);          \
    })
#define check_str(got, want)                                                                       \
    __extension__({                                                                                \
        const char *_g = (got), *_w = (want);                                                      \
        tap_check(_g &&_w ? strcmp(_g, _w) == 0 : _g == _w, __FILE__, __LINE__,                    \
                  "%s: got '%s', want '%s'", #got, _g ? _g : "(null)", _w ? _w : "(null)");        \
    })
/* `haystack` must contain `needle`. */
#define check_contains(haystack, needle)                                                           \
    __extension__({                                                                                \
        const char *_h = (haystack), *_n = (needle);                                               \
        tap_check(_h &&strstr(_h, _n), __FILE__, __LINE__, "%s: '%s' has no '%s'", #haystack,      \
                  _h ? _h : "(null)", _n);                                                         \
    })

#endif

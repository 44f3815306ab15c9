/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/clock.h>
#include <cleanroom/error.h>
#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

#include "tap.h"

static void test_strbuf_keeps_its_maximum(void)
{
    _cleanup_strbuf_ struct strbuf sb;
    strbuf_init(&sb, 4);
    check_int(strbuf_adds(&sb, "abc"), 0);
    check_int(strbuf_adds(&sb, "de"), -1);
    check(sb.overflow);
    check_str(sb.buf, "abc");
    check_int(strbuf_addc(&sb, 'd'), 0);
    check_str(sb.buf, "abcd");
}

static void test_strbuf_consumes_and_detaches(void)
{
    struct strbuf sb = STRBUF_INIT;
    strbuf_addf(&sb, "%d-%s", 12, "xyz");
    strbuf_consume(&sb, 3);
    check_str(sb.buf, "xyz");
    _cleanup_free_ char *s = strbuf_detach(&sb);
    check_str(s, "xyz");
    check_str(sb.buf, "");
    _cleanup_free_ char *none = strbuf_detach(&sb);
    check_str(none, "");
}

static void test_strvec_is_an_environment(void)
{
    _cleanup_strvec_ struct strvec v = STRVEC_INIT;
    strvec_setenv(&v, "A", "1");
    strvec_setenv(&v, "AB", "2");
    strvec_setenv(&v, "A", "3");
    check_int(v.len, 2);
    check_str(strvec_getenv(&v, "A"), "3");
    check_str(strvec_getenv(&v, "AB"), "2");
    check(strvec_getenv(&v, "B") == NULL);
    check(v.items[2] == NULL);
}

static void test_strvec_splits_and_joins(void)
{
    _cleanup_strvec_ struct strvec v = STRVEC_INIT;
    for (int i = 0; i < 20; i++)
        strvec_split(&v, " a,,b ", ", ");
    check_int(v.len, 40);
    check(v.items[40] == NULL);
    check_str(v.items[39], "b");
    strvec_deinit(&v);
    strvec_split(&v, "x|y", "|");
    _cleanup_free_ char *joined = strvec_join(&v, "+");
    check_str(joined, "x+y");
}

static void test_errors_gather_context(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    check_int(error_set(&err, ERROR_SERVICE, "exit %d", 7), -1);
    check_int(error_wrap(&err, "shard %d", 3), -1);
    check_str(err.message, "shard 3: exit 7");
    check_int(error_exit_code(err.kind), 3);
    check_int(error_exit_code(ERROR_TIMEOUT), 124);
    check_int(error_exit_code(ERROR_USAGE), 2);
}

/* As the C library has it, for every day until time ends, and a moment in it. */
static void test_iso8601(void)
{
    for (int64_t day = 0; day < 106750; day++) {
        time_t sec = day * 86400 + day * 7919 % 86400;
        struct tm tm;
        char want[CLOCK_ISO_SIZE], got[CLOCK_ISO_SIZE];
        gmtime_r(&sec, &tm);
        strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.007Z", &tm);
        clock_iso8601(sec * NSEC_PER_SEC + 7999999, got, sizeof(got));
        if (strcmp(got, want) != 0)
            check_str(got, want);
    }
    check(true);
}

static void test_times_for_people(void)
{
    char s[CLOCK_ISO_SIZE];
    clock_iso8601(INT64_C(1406974272345) * NSEC_PER_MSEC, s, sizeof(s));
    check_str(s, "2014-08-02T10:11:12.345Z");
    clock_human(350 * NSEC_PER_MSEC, s, sizeof(s));
    check_str(s, "350ms");
    clock_human(125 * NSEC_PER_SEC, s, sizeof(s));
    check_str(s, "2m05s");
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_iso8601),
        TAP(test_strbuf_keeps_its_maximum),
        TAP(test_strbuf_consumes_and_detaches),
        TAP(test_strvec_is_an_environment),
        TAP(test_strvec_splits_and_joins),
        TAP(test_errors_gather_context),
        TAP(test_times_for_people),
        {0},
    });
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>

#include <cleanroom/junit.h>
#include <cleanroom/strbuf.h>

#include "split/timings.h"
#include "tap.h"

#define HEAD "cleanroom timings 1\n"

struct room {
    struct timings t;
    struct error err;
};

static void room_deinit(struct room *r)
{
    timings_deinit(&r->t);
    error_clear(&r->err);
}
#define _cleanup_room_ _cleanup_(room_deinit)

static const char *refusal(struct room *r, const char *text)
{
    room_deinit(r);
    check_int(timings_parse(&r->t, text, strlen(text), &r->err), -1);
    return r->err.message;
}

/* What the file has after a write, release with free(). */
static char *written(const struct timings *t)
{
    char path[] = "/tmp/cleanroom-timings.XXXXXX";
    check(mkdtemp(path) != NULL);
    _cleanup_close_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check_int(timings_write(t, dir, "timings", NULL), 0);
    _cleanup_free_ char *file = xasprintf("%s/timings", path);
    struct strbuf text = STRBUF_INIT;
    check_int(strbuf_read_file(&text, file, 1 << 20), 0);
    (void)unlink(file);
    check_int(rmdir(path), 0); /* and nothing else is left there */
    return strbuf_detach(&text);
}

static void test_file(void)
{
    _cleanup_room_ struct room r = {0};
    const char *text = HEAD "5\tb\n20\ta\\tb\\\\\\nc\\x\n7\tb\n" HEAD "1\tc";
    check_int(timings_parse(&r.t, text, strlen(text), &r.err), 0);
    check_int(r.t.tests.len, 3);
    check_str(r.t.tests.items[0].key, "a\tb\\\nc\\x");
    check_int(r.t.tests.items[1].msec, 6);
    _cleanup_free_ char *first = written(&r.t);
    check_str(first, HEAD "20\ta\\tb\\\\\\nc\\\\x\n6\tb\n1\tc\n");

    _cleanup_room_ struct room again = {0};
    check_int(timings_parse(&again.t, first, strlen(first), NULL), 0);
    _cleanup_free_ char *second = written(&again.t);
    check_str(second, first);
}

static void test_empty_file(void)
{
    _cleanup_room_ struct room r = {0};
    check_int(timings_parse(&r.t, "", 0, &r.err), 0);
    check_int(r.t.tests.len, 0);
}

static void test_refusals(void)
{
    static const char *const bad[] = {"x\ta",           "5 a", "5\t", "-5\ta",       "\ta",
                                      "12345678901\ta", "5",   "",    "<<<<<<< ours"};
    _cleanup_room_ struct room r = {0};
    check_contains(refusal(&r, "cleanroom timings 2\n5\ta\n"), "another version wrote them");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        _cleanup_free_ char *text = xasprintf(HEAD "1\ta\n%s\n", bad[i]);
        check_contains(refusal(&r, text), "line 3 of the timings is not 'MILLISECONDS<TAB>TEST'");
    }
}

static void add(struct result *r, int suite, const char *class, const char *name,
                enum case_status status, int64_t msec)
{
    (void)result_add_case(&r->suites.items[suite], class, name, status, msec * NSEC_PER_MSEC);
}

static void begin(struct result *r, int shards)
{
    result_init(r, "id", "app");
    for (int s = 1; s <= shards; s++)
        (void)result_add_suite(r, s, shards);
}

static void learn_one(struct timings *t, int64_t msec, bool whole)
{
    struct result r;
    begin(&r, 1);
    add(&r, 0, "C", "t", CASE_PASSED, msec);
    timings_learn(t, &r, NAMING_DOTTED, whole);
    result_deinit(&r);
}

/* One odd run in a row of steady ones is forgotten after a few. */
static void test_mean(void)
{
    _cleanup_room_ struct room r = {0};
    learn_one(&r.t, 1000, true);
    check_int(timings_of(&r.t, NAMING_DOTTED, "C.t"), 1000);
    learn_one(&r.t, 11000, true);
    check_int(timings_of(&r.t, NAMING_DOTTED, "C.t"), 4000);
    for (int i = 0; i < 10; i++)
        learn_one(&r.t, 1000, true);
    int64_t now = timings_of(&r.t, NAMING_DOTTED, "C.t");
    check(now >= 1000 && now < 1100);
    for (int i = 0; i < 40; i++)
        learn_one(&r.t, 0, true);
    check(timings_of(&r.t, NAMING_DOTTED, "C.t") <= 1);
}

static void test_partial_and_whole(void)
{
    _cleanup_room_ struct room r = {0};
    const char *text = HEAD "10\tC.a\n20\tC.broken\n30\tC.gone\n40\tC.skipped\n50\tz\n";
    struct result ran;
    check_int(timings_parse(&r.t, text, strlen(text), NULL), 0);
    begin(&ran, 2);
    add(&ran, 0, "C", "a", CASE_PASSED, 20);
    add(&ran, 0, "C", "skipped", CASE_SKIPPED, 0);
    add(&ran, 1, "C", "broken", CASE_ERROR, 9000);
    add(&ran, 1, "C", "new", CASE_FAILED, 70);
    add(&ran, 1, "C", "never", CASE_SKIPPED, 0);
    add(&ran, 1, "cleanroom.shard-2", "test", CASE_PASSED, 1000);
    add(&ran, 1, "pytest", "test 7", CASE_PASSED, 1000); /* nobody knows which */

    timings_learn(&r.t, &ran, NAMING_DOTTED, false);
    _cleanup_free_ char *partial = written(&r.t);
    check_str(partial, HEAD "13\tC.a\n20\tC.broken\n30\tC.gone\n70\tC.new\n40\tC.skipped\n50\tz\n");

    timings_learn(&r.t, &ran, NAMING_DOTTED, true);
    _cleanup_free_ char *whole = written(&r.t);
    check_str(whole, HEAD "15\tC.a\n20\tC.broken\n70\tC.new\n40\tC.skipped\n");
    result_deinit(&ran);
}

/* The cases of a file are its duration; of a suite that all shards ran, one counts. */
static void test_sums(void)
{
    _cleanup_room_ struct room r = {0};
    struct result ran;
    begin(&ran, 2);
    for (int s = 0; s < 2; s++) {
        add(&ran, s, "t/a.bats", "one", CASE_PASSED, 10);
        add(&ran, s, "t/a.bats", "two", CASE_PASSED, 5 + s);
    }
    timings_learn(&r.t, &ran, NAMING_FILE_CLASS, true);
    check_int(timings_of(&r.t, NAMING_FILE_CLASS, "a.bats"), 16);
    result_deinit(&ran);
}

static void test_parts_of_a_key(void)
{
    _cleanup_room_ struct room r = {0};
    const char *text = HEAD "1\tm.C.a\n2\tm.C.b\n4\tm.D.a\n8\tm2.C.a\n16\tm\\tx\n";
    check_int(timings_parse(&r.t, text, strlen(text), NULL), 0);
    check_int(timings_of(&r.t, NAMING_DOTTED, "m"), 7);
    check_int(timings_of(&r.t, NAMING_DOTTED, "m.C"), 3);
    check_int(timings_of(&r.t, NAMING_DOTTED, "m.C.b"), 2);
    check_int(timings_of(&r.t, NAMING_DOTTED, "m.C.c"), TIMINGS_UNKNOWN);
    check_int(timings_of(&r.t, NAMING_PYTEST, "m"), TIMINGS_UNKNOWN);
}

static void test_junit(void)
{
    static const char xml[] = "<testsuite><testcase classname='m.C' name='t' time='1.5'/>"
                              "</testsuite>";
    _cleanup_room_ struct room r = {0};
    struct result earlier;
    begin(&earlier, 1);
    check_int(junit_read(xml, strlen(xml), &earlier.suites.items[0], NULL), 1);
    timings_learn(&r.t, &earlier, NAMING_PYTEST, true);
    check_int(timings_of(&r.t, NAMING_PYTEST, "m.C.t"), 1500);
    result_deinit(&earlier);
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_file),
        TAP(test_empty_file),
        TAP(test_refusals),
        TAP(test_mean),
        TAP(test_partial_and_whole),
        TAP(test_sums),
        TAP(test_parts_of_a_key),
        TAP(test_junit),
        {0},
    });
}

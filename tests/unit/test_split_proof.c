/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of runs that went wrong, and that nothing is said of those that went well. */
#include <cleanroom/strbuf.h>

#include "split/proof.h"
#include "tap.h"

struct scene {
    struct result result;
    struct test_list planned;
    struct proof proof;
    const char *preset;
    bool listed;
    long expect;
    const long *said;
    bool silent; /* no report */
    bool files;
};

static void begin(struct scene *s, int shards, const char *preset)
{
    *s = (struct scene){.preset = preset, .expect = PROOF_EXPECT_NONE};
    result_init(&s->result, "id", "app");
    for (int i = 1; i <= shards; i++) {
        struct result_suite *suite = result_add_suite(&s->result, i, shards);
        _cleanup_free_ char *phase = xasprintf(RESULT_PHASE_CLASS, i);
        (void)result_add_case(suite, phase, "test", CASE_PASSED, 0);
    }
}

static void scene_deinit(struct scene *s)
{
    result_deinit(&s->result);
    test_list_deinit(&s->planned);
    proof_deinit(&s->proof);
}
#define _cleanup_scene_ _cleanup_(scene_deinit)

static void ran(struct scene *s, int shard, const char *class, const char *name)
{
    (void)result_add_case(&s->result.suites.items[shard - 1], class, name, CASE_PASSED, 0);
}

static void plan(struct scene *s, const char *text)
{
    const struct preset *p = s->preset ? preset_find(s->preset) : NULL;
    check_int(test_list_read(&s->planned, LIST_PLAIN, p ? p->naming : NAMING_PLAIN, text,
                             strlen(text), NULL),
              0);
    s->listed = true;
}

static const struct proof *prove(struct scene *s)
{
    const struct proof_question q = {
        .result = &s->result,
        .planned = s->listed ? &s->planned : NULL,
        .preset = s->preset ? preset_find(s->preset) : NULL,
        .files = s->files,
        .expect = s->expect,
        .reported = !s->silent,
        .said = s->said,
    };
    proof_deinit(&s->proof);
    proof_make(&s->proof, &q);
    return &s->proof;
}

/* The only error, or NULL for none. */
static const char *error_of(struct scene *s)
{
    const struct proof *p = prove(s);
    check(p->errors.len <= 1);
    return p->errors.len ? p->errors.items[0] : NULL;
}

static const char *remark_of(const struct scene *s)
{
    check(s->proof.remarks.len <= 1);
    return s->proof.remarks.len ? s->proof.remarks.items[0] : NULL;
}

static void test_good(void)
{
    _cleanup_scene_ struct scene s;
    begin(&s, 3, "pytest");
    plan(&s, "t/a.py::C::x[1]\nt/a.py::C::x[2]\nt/b.py::y\n");
    ran(&s, 1, "t.a.C", "x[1]");
    ran(&s, 2, "t.a.C", "x[2]");
    (void)result_add_case(&s.result.suites.items[1], "t.b", "y", CASE_SKIPPED, 0);
    s.expect = 3;
    check_str(error_of(&s), NULL); /* though the third shard is empty */
    check_str(remark_of(&s), NULL);
    check_int(s.proof.planned, 3);
    check_int(s.proof.ran, 2);
    check_int(s.proof.skipped, 1);
    check(s.proof.named);
    check_int(s.proof.never + s.proof.doubled, 0);
}

static void everywhere(struct scene *s, int shards, int tests)
{
    for (int i = 1; i <= shards; i++) {
        for (int t = 0; t < tests; t++) {
            _cleanup_free_ char *name = xasprintf("t%d", t);
            ran(s, i, "C", name);
        }
    }
}

static void test_did_not_shard(void)
{
    static const struct {
        const char *preset, *advice;
    } all[] = {
        {NULL, "let the test runner read CLEANROOM_SHARD_INDEX and CLEANROOM_SHARD_TOTAL"},
        {"jest", "let the app's entry point run jest with "
                 "'--shard=$CLEANROOM_SHARD_NUMBER/$CLEANROOM_SHARD_TOTAL', or set 'split: list'"},
        {"catch2", "'--shard-index=$CLEANROOM_SHARD_INDEX --shard-count=$CLEANROOM_SHARD_TOTAL'"},
        {"gtest", "let gtest see the variables GTEST_SHARD_INDEX and GTEST_TOTAL_SHARDS"},
        {"pytest", "pytest has no shards of its own: set 'split: list'"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        _cleanup_scene_ struct scene s;
        begin(&s, 4, all[i].preset);
        everywhere(&s, 4, 120);
        const char *said = error_of(&s);
        check_contains(said, "the suite did not shard: each of 4 shards ran the same 120 tests; ");
        check_contains(said, all[i].advice);
        check_int(s.proof.ran, 120);
        check_int(s.proof.doubled, 120);
        check_int(s.proof.doubled_names.len, PROOF_NAMES_MAX);
    }
}

/* Some in common is no proof of anything, and one shard alone cannot fail to shard. */
static void test_did_shard(void)
{
    _cleanup_scene_ struct scene s, one, same_name;
    begin(&s, 2, NULL);
    everywhere(&s, 2, 3);
    ran(&s, 1, "C", "own");
    check_str(error_of(&s), NULL);
    check_str(remark_of(&s), "3 test names ran in more than one shard: C.t0, C.t1, C.t2");

    begin(&one, 1, NULL);
    everywhere(&one, 1, 3);
    check_str(error_of(&one), NULL);

    begin(&same_name, 2, "jest");
    plan(&same_name, "/a.test.js\n/b.test.js\n");
    ran(&same_name, 1, "App", "renders");
    ran(&same_name, 2, "App", "renders");
    check_str(error_of(&same_name), NULL);
}

/* Names that say nothing of which test it is. */
static void test_not_the_same(void)
{
    _cleanup_scene_ struct scene numbered, one, broken;
    begin(&numbered, 2, NULL);
    for (int i = 1; i <= 2; i++) {
        ran(&numbered, i, "tap", "test 1");
        ran(&numbered, i, "tap", "test 2");
    }
    numbered.expect = 4;
    check_str(error_of(&numbered), NULL);
    check_str(remark_of(&numbered),
              "4 tests have no name in the reports, so that nobody knows which ran twice: let the "
              "runner name all (often with -v), or write JUnit");
    check_int(numbered.proof.ran, 4);
    plan(&numbered, "a\nb\nc\nd\n");
    check_str(error_of(&numbered), NULL);
    check_contains(numbered.proof.remarks.items[1], "4 planned, 4 in the reports");

    begin(&one, 2, NULL);
    everywhere(&one, 2, 1);
    check_str(error_of(&one), NULL);
    check_str(remark_of(&one), "1 test name ran in more than one shard: C.t0");

    begin(&broken, 2, "pytest");
    for (int i = 0; i < 2; i++)
        for (int t = 0; t < 2; t++)
            (void)result_add_case(&broken.result.suites.items[i], "", t ? "a" : "b", CASE_ERROR, 0);
    check_str(error_of(&broken), NULL);
}

static void test_part_not_heeded(void)
{
    _cleanup_scene_ struct scene s;
    begin(&s, 2, "pytest");
    plan(&s, "a.py::x\na.py::y\n");
    for (int i = 1; i <= 2; i++) {
        ran(&s, i, "a", "x");
        ran(&s, i, "a", "y");
    }
    check_str(error_of(&s), "the suite did not shard: each of 2 shards ran the same 2 tests; the "
                            "app's entry point must hand the words after 'test' to its runner");
}

static void test_never_ran(void)
{
    _cleanup_scene_ struct scene s;
    begin(&s, 2, "pytest");
    plan(&s, "a.py::w\na.py::x\na.py::y\na.py::z\n");
    ran(&s, 1, "a", "w");
    ran(&s, 2, "a", "x");
    check_str(error_of(&s), "2 planned tests never ran: a.py::y, a.py::z");
    check_int(s.proof.never, 2);

    ran(&s, 2, "a", "dynamic");
    check_str(error_of(&s), "at least 1 planned test never ran: a.py::y, a.py::z");
    ran(&s, 2, "a", "dynamic2");
    check_str(error_of(&s), NULL);
    check_str(remark_of(&s), "2 planned tests are under no such name in the reports, which have 2 "
                             "that the plan has not: a.py::y, a.py::z");
}

/* As many tests as are reported under a name that the plan has not. */
static void test_strangers_are_counted(void)
{
    _cleanup_scene_ struct scene s;
    begin(&s, 2, "gtest");
    plan(&s, "S.a\nS.long1\nS.long2\nS.long3\n");
    ran(&s, 1, "S", "a");
    ran(&s, 2, "S", "long");
    ran(&s, 2, "S", "long");
    check_str(error_of(&s), "at least 1 planned test never ran: S.long1, S.long2, S.long3");
    ran(&s, 2, "S", "long");
    check_str(error_of(&s), NULL);
    check_contains(remark_of(&s), "3 planned tests are under no such name in the reports");
}

/* A class that is skipped as a whole is reported by its fixture. */
static void test_skipped_by_fixture(void)
{
    static const char *const cases[][2] = {
        {"x.C", "setUpClass"},
        {"unittest.suite._ErrorHolder", "setUpClass (x.C)"},
        {"", "setUpModule (x)"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_scene_ struct scene s;
        begin(&s, 2, "nose2");
        plan(&s, "x.C.a\nx.C.b\nx.C.c\ny.D.a\n");
        ran(&s, 1, "y.D", "a");
        (void)result_add_case(&s.result.suites.items[1], cases[i][0], cases[i][1], CASE_SKIPPED, 0);
        check_str(error_of(&s), NULL);
        check_str(remark_of(&s), NULL);
        s.result.suites.items[1].cases.items[1].status = CASE_ERROR;
        check_str(error_of(&s), "at least 2 planned tests never ran: x.C.a, x.C.b, x.C.c");
    }
}

static void test_names_are_bounded(void)
{
    _cleanup_scene_ struct scene s;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    begin(&s, 2, "gtest");
    for (int i = 0; i < 100; i++)
        strbuf_addf(&text, "S.t%02d\n", i);
    plan(&s, text.buf);
    ran(&s, 1, "S", "t00");
    const char *said = error_of(&s);
    check_contains(said, "99 planned tests never ran: S.t01, ");
    check_contains(said, "S.t20 and 79 more");
}

static void test_ran_twice(void)
{
    _cleanup_scene_ struct scene s;
    begin(&s, 2, "gtest");
    plan(&s, "S.a\nS.b\nS.c\n");
    ran(&s, 1, "S", "a");
    ran(&s, 1, "S", "b");
    ran(&s, 2, "S", "b");
    ran(&s, 2, "S", "c");
    check_str(error_of(&s), "1 planned test ran in more than one shard: S.b");
}

/* Subtests and sections are parts of their tests; a module is there when one of its tests is. */
static void test_parts(void)
{
    _cleanup_scene_ struct scene go, catch2, django;
    begin(&go, 2, "go");
    plan(&go, "x.org/m TestA\nx.org/m TestB\n");
    ran(&go, 1, "x.org/m", "TestA/one");
    ran(&go, 2, "x.org/m", "TestB");
    check_str(error_of(&go), NULL);
    check_str(remark_of(&go), NULL);

    begin(&catch2, 2, "catch2");
    plan(&catch2, "a/b adds\n");
    ran(&catch2, 1, "exe.global", "a/b adds/twice/more");
    check_str(error_of(&catch2), NULL);
    check_str(remark_of(&catch2), NULL);

    begin(&django, 2, "django");
    plan(&django, "tests.test_a\ntests.test_b\ntests.test_helpers\n");
    ran(&django, 1, "tests.test_a.C", "x");
    ran(&django, 2, "tests.test_b.C", "x");
    check_str(error_of(&django), "1 planned test never ran: tests.test_helpers");
    django.files = true;
    check_str(error_of(&django), NULL);
    check_str(remark_of(&django), "no report names a test of: tests.test_helpers");
    ran(&django, 1, "tests.test_helpers.Base", "x");
    ran(&django, 2, "tests.test_helpers.Base", "x");
    check_str(error_of(&django), NULL);
    check_str(remark_of(&django),
              "1 test name ran in more than one shard: tests.test_helpers.Base.x");
}

/* Nobody told what the runner is: the naming under which the names are the plan's is taken. */
static void test_unknown_runner(void)
{
    _cleanup_scene_ struct scene s;
    begin(&s, 2, NULL);
    plan(&s, "t/a.py::C::x\nt/a.py::C::y\nt/a.py::C::z\n");
    ran(&s, 1, "t.a.C", "x");
    ran(&s, 2, "t.a.C", "y");
    check_str(error_of(&s), "1 planned test never ran: t/a.py::C::z");
}

static void test_foreign_names(void)
{
    _cleanup_scene_ struct scene s, files;
    begin(&s, 2, NULL);
    plan(&s, "1\n2\n3\n");
    ran(&s, 1, "Suite", "adds");
    ran(&s, 2, "Suite", "subtracts");
    check_str(error_of(&s), "1 planned test never ran: 3 were planned and 2 are in the reports, "
                            "which do not name them as the list does");
    ran(&s, 2, "Suite", "divides");
    check_str(error_of(&s), NULL);
    check_str(remark_of(&s), "the reports do not name tests as the list does, so only numbers were "
                             "compared: 3 planned, 3 in the reports");
    check_int(s.proof.never, 0);

    begin(&files, 2, "jest");
    plan(&files, "/a.test.js\n/b.test.js\n");
    ran(&files, 1, "App", "renders");
    check_str(error_of(&files), NULL);
    check_contains(remark_of(&files), "only numbers were compared: 2 planned, 1 in the reports");
}

static void test_nothing_ran(void)
{
    _cleanup_scene_ struct scene s, silent;
    begin(&s, 4, "pytest");
    (void)result_add_suite(&s.result, 0, 4); /* the run's own */
    check_str(error_of(&s), "no test ran: 4 shards reported none");
    plan(&s, "a.py::x\n");
    check_str(error_of(&s), "no test ran: 4 shards reported none");

    /* An app that reports nothing passed or failed by its exit codes. */
    begin(&silent, 2, NULL);
    silent.silent = true;
    check_str(error_of(&silent), NULL);
    plan(&silent, "a\n");
    check_str(error_of(&silent), NULL);
    check_str(remark_of(&silent), "1 test was planned, and no report says which ran");
    silent.expect = 1;
    check_str(error_of(&silent), "expected 1 test, and no report says how many ran");
}

static void test_expected(void)
{
    _cleanup_scene_ struct scene s, titles;
    begin(&s, 2, NULL);
    ran(&s, 1, "C", "a");
    ran(&s, 2, "C", "b");
    (void)result_add_case(&s.result.suites.items[1], "C", "c", CASE_SKIPPED, 0);
    s.expect = 4;
    check_str(error_of(&s), "expected 4 tests, and 3 are in the reports (1 of them skipped)");
    s.expect = 3;
    check_str(error_of(&s), NULL);

    /* Titles of two files may be the same. */
    begin(&titles, 2, "mocha");
    for (int i = 1; i <= 2; i++) {
        ran(&titles, i, "User", "is valid");
        ran(&titles, i, i == 1 ? "Cart" : "Order", "is valid");
    }
    for (titles.expect = 2; titles.expect <= 5; titles.expect++)
        check((error_of(&titles) == NULL) == (titles.expect == 3 || titles.expect == 4));
    titles.preset = "pytest";
    titles.expect = 4;
    check_str(error_of(&titles), "expected 4 tests, and 3 are in the reports (0 of them skipped)");
}

static void test_ended_half_way(void)
{
    _cleanup_scene_ struct scene s;
    const long said[] = {2, 3, -1};
    begin(&s, 3, NULL);
    ran(&s, 1, "C", "a");
    ran(&s, 1, "C", "b");
    ran(&s, 2, "C", "c");
    ran(&s, 3, "C", "d");
    s.said = said;
    check_str(error_of(&s), "shard 2: its runner said 3 tests and reported 1: it ended half-way");
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_good),
        TAP(test_did_not_shard),
        TAP(test_did_shard),
        TAP(test_not_the_same),
        TAP(test_part_not_heeded),
        TAP(test_never_ran),
        TAP(test_strangers_are_counted),
        TAP(test_skipped_by_fixture),
        TAP(test_names_are_bounded),
        TAP(test_ran_twice),
        TAP(test_parts),
        TAP(test_unknown_runner),
        TAP(test_foreign_names),
        TAP(test_nothing_ran),
        TAP(test_expected),
        TAP(test_ended_half_way),
        {0},
    });
}

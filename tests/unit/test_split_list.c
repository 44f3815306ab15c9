/* SPDX-License-Identifier: Apache-2.0 */
/* Lists as the runners themselves print them, and lists that nobody should print. */
#include <cleanroom/strbuf.h>

#include "split/list.h"
#include "tap.h"

/* The ids, joined by '|'; or the error. Release with free(). */
static char *ids(enum list_format format, enum naming naming, const char *text)
{
    _cleanup_test_list_ struct test_list list = TEST_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_strvec_ struct strvec names = STRVEC_INIT;
    if (test_list_read(&list, format, naming, text, strlen(text), &err) < 0)
        return xstrdup(err.message);
    for (size_t i = 0; i < list.tests.len; i++)
        strvec_push(&names, list.tests.items[i].id);
    return strvec_join(&names, "|");
}

#define check_ids(format, naming, text, want)                                                      \
    do {                                                                                           \
        _cleanup_free_ char *_ids = ids(format, naming, text);                                     \
        check_str(_ids, want);                                                                     \
    } while (0)

static void test_plain(void)
{
    check_ids(LIST_PLAIN, NAMING_PLAIN, "b\n\n# not one\r\n  a b \r\nc", "b|a b|c");
}

static void test_pytest(void)
{
    check_ids(LIST_PYTEST, NAMING_PYTEST,
              "Applying migrations\ntests/test_a.py::test_one\n"
              "tests/test_a.py::TestX::test_y[a b-1]\n\n"
              "=== warnings summary ===\ntests/test_a.py::test_one\n  a warning\n\n"
              "2 tests collected in 0.01s\n",
              "tests/test_a.py::test_one|tests/test_a.py::TestX::test_y[a b-1]");
    _cleanup_free_ char *broken = ids(LIST_PYTEST, NAMING_PYTEST,
                                      "a.py::t\n\nERROR b.py - ImportError: no\n");
    check_str(broken, "the runner could not list its tests: ERROR b.py - ImportError: no");
    check_ids(LIST_PYTEST, NAMING_PYTEST, "ERROR no server yet\na.py::t\n", "a.py::t");
}

static void test_unittest(void)
{
    check_ids(LIST_UNITTEST, NAMING_DOTTED,
              "test_a (m.C) ... ok\ntest_b (m.C.test_b) ... ok\ntest_c (m.C)\nIts words. ... ok\n"
              "----\nRan 3 tests in 0.000s (really)\n\nOK (skipped=1)\n",
              "m.C.test_a|m.C.test_b|m.C.test_c");
}

static void test_gtest(void)
{
    check_ids(
        LIST_GTEST, NAMING_DOTTED,
        "Running main() from ./googletest/src/gtest_main.cc\nMath.\n  Adds\n  DISABLED_Later\n"
        "Typed/0.  # TypeParam = int\n  Works\nAll/Param.\n  Is/0  # GetParam() = 1\n"
        "  Is/1  # GetParam() = \"a.b\"\nDISABLED_Off.\n  A\n",
        "Math.Adds|Typed/0.Works|All/Param.Is/0|All/Param.Is/1");
}

static void test_ctest(void)
{
    check_ids(LIST_CTEST, NAMING_NAME,
              "Test project /b\n  Test  #1: one\n  Test #10: with space\n"
              "  Test #11: off (Disabled)\n\nTotal Tests: 3\n",
              "one|with space");
}

static void test_go(void)
{
    check_ids(LIST_GO, NAMING_GO,
              "TestA\nExampleB\nBenchmarkC\nok  \tx.org/m/a\t0.003s\n"
              "?   \tx.org/m/n\t[no test files]\nTestA\nok  \tx.org/m/b\t(cached)\n",
              "x.org/m/a TestA|x.org/m/a ExampleB|x.org/m/b TestA");
    check_ids(LIST_GO, NAMING_GO, "TestA\n", "the list ends before the package of test 'TestA'");
    check_ids(LIST_GO, NAMING_GO, "TestA\nFAIL\tx.org/m [build failed]\n",
              "the runner could not list its tests: FAIL\tx.org/m [build failed]");
}

static void test_the_others(void)
{
    check_ids(LIST_PHPUNIT, NAMING_PHPUNIT,
              "PHPUnit 9.6.7 by Sebastian Bergmann and contributors.\n\nAvailable test(s):\n"
              " - A\\B::testX#0\n - A\\B::testX#1\n",
              "A\\B::testX#0|A\\B::testX#1");
    check_ids(LIST_NEXTEST, NAMING_NEXTEST,
              "   Compiling c v0.1.0\nc:\n    tests::a\n    tests::b (skipped)\nc::it:\n    t\n",
              "c tests::a|c::it t");
    check_ids(LIST_PLAYWRIGHT, NAMING_PLAYWRIGHT,
              "Listing tests:\n  [a] \xe2\x80\xba x.spec.ts:3:5 \xe2\x80\xba logs in\n"
              "Total: 1 test in 1 file\n",
              "[a] \xe2\x80\xba x.spec.ts:3:5 \xe2\x80\xba logs in");
    check_ids(LIST_MOCHA, NAMING_MOCHA,
              "hello\n{\n \"tests\": [{\"title\": \"t\", \"fullTitle\": \"s t\", \"file\": "
              "\"/a.js\"}]\n}\nbye\n",
              "/a.js::s t");
    check_ids(LIST_MOCHA, NAMING_MOCHA,
              "{\"tests\": [{\"fullTitle\": \"t\", \"file\": \"b\"}, {\"fullTitle\": \"t\", "
              "\"file\": \"a\"}, {\"fullTitle\": \"t\", \"file\": \"b\"}, "
              "{\"fullTitle\": \"u\", \"file\": \"b\"}]}\n",
              "b::t|a::t|b::u");
    check_ids(LIST_RSPEC, NAMING_RSPEC,
              "{\"examples\":[{\"id\":\"./spec/a_spec.rb[1:1]\",\"full_description\":\"A is\"}]}",
              "./spec/a_spec.rb[1:1]");
    check_ids(LIST_RSPEC, NAMING_RSPEC, "{\"examples\":[",
              "the list of tests is not JSON: ']' expected near end of file");
    check_ids(LIST_MOCHA, NAMING_MOCHA, "x",
              "the list of tests is not JSON: no line begins with '{'");
}

static void test_refusals(void)
{
    check_ids(LIST_PLAIN, NAMING_PLAIN, "a\nb\na\n",
              "test 'a' is twice in the list, so that nobody could tell which of the two ran; give "
              "one of them another name");
    check_ids(LIST_GTEST, NAMING_DOTTED, "nothing\n",
              "the list has no test in it (it was read as that of 'gtest')");
    check_ids(LIST_PLAIN, NAMING_PLAIN, "",
              "the list has no test in it (it was read as that of 'plain')");

    check_ids(LIST_PLAIN, NAMING_PLAIN, "a\n\x1b[32mb\x1b[0m\a\n",
              "a test's name has control characters in it: 'b#x07'; is the list coloured?");

    _cleanup_test_list_ struct test_list list = TEST_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    check_int(test_list_read(&list, LIST_PLAIN, NAMING_PLAIN, "a\0b", 3, &err), -1);
    check_str(err.message, "the list of tests is no text: it has a NUL byte");

    _cleanup_strbuf_ struct strbuf many = STRBUF_INIT;
    for (size_t i = 0; i <= LIST_ID_MAX; i++)
        strbuf_addc(&many, 'x');
    _cleanup_free_ char *said = ids(LIST_PLAIN, NAMING_PLAIN, many.buf);
    check_contains(said, "a test's name is longer than 4096 bytes: 'xxx");
    strbuf_reset(&many);
    for (int i = 0; i <= LIST_TESTS_MAX; i++)
        strbuf_addf(&many, "t%d\n", i);
    _cleanup_free_ char *number = ids(LIST_PLAIN, NAMING_PLAIN, many.buf);
    check_str(number, "the list has more than 200000 tests; list classes or files instead");
}

static uint64_t noise(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return *state >> 33;
}

/* Whatever comes, there is a list without duplicates or an error, and the tests have keys and
   groups. The bytes are those that mean something to one format or another. */
static void test_any_bytes(void)
{
    static const char alphabet[] = "\n\n  ::[]{}\"()#./|-\\abTest#1: ok \t\xe2\x80\xba\xff\r";
    uint64_t state = 7;
    for (int round = 0; round < 4000; round++) {
        char text[96];
        size_t len = noise(&state) % sizeof(text);
        for (size_t i = 0; i < len; i++)
            text[i] = alphabet[noise(&state) % (sizeof(alphabet) - 1)];
        enum list_format format = (enum list_format)(noise(&state) % LIST_FORMATS);
        enum naming naming = (enum naming)(noise(&state) % NAMINGS);
        _cleanup_test_list_ struct test_list list = TEST_LIST_INIT;
        _cleanup_error_ struct error err = ERROR_INIT;
        int failed = test_list_read(&list, format, naming, text, len, &err);
        check(failed ? error_is_set(&err) : list.tests.len > 0);
        for (size_t i = 0; i < list.tests.len; i++) {
            for (int g = 0; g < GRANULARITIES; g++)
                free(naming_group(naming, list.tests.items[i].id, (enum granularity)g));
            _cleanup_free_ char *key = xstrdup(list.tests.items[i].key);
            while (naming_parent(naming, key))
                check(*key);
        }
    }
}

static void check_groups(enum naming naming, const char *id, const char *test, const char *class,
                         const char *file)
{
    const char *want[] = {test, class, file};
    for (int g = 0; g < GRANULARITIES; g++) {
        _cleanup_free_ char *group = naming_group(naming, id, (enum granularity)g);
        check_str(group, want[g]);
    }
}

static void test_groups(void)
{
    check_groups(NAMING_PYTEST, "a/b.py::C::t[x::y]", "a/b.py::C::t[x::y]", "a/b.py::C", "a/b.py");
    check_groups(NAMING_PYTEST, "b.py::t[1]", "b.py::t[1]", "b.py::t", "b.py");
    check_groups(NAMING_PYTEST, "b.py::C::D::t", "b.py::C::D::t", "b.py::C", "b.py");
    check_groups(NAMING_DOTTED, "p.m.C.t", "p.m.C.t", "p.m.C", "p.m");
    check_groups(NAMING_DOTTED, "t", "t", "t", "t");
    check_groups(NAMING_GO, "x.org/a TestT", "TestT", "x.org/a", "x.org/a");
    check_groups(NAMING_NEXTEST, "c::it a::b", "c::it a::b", "c::it", "c::it");
    check_groups(NAMING_PHPUNIT, "A\\B::t\"x\"", "A\\B::t", "A\\B", "A\\B");
    check_groups(NAMING_RSPEC, "./a_spec.rb[1:2]", "./a_spec.rb[1:2]", "./a_spec.rb[1:2]",
                 "./a_spec.rb");
    check_groups(NAMING_MOCHA, "/a.js::s t", "/a.js::s t", "/a.js::s t", "/a.js");
    check_groups(NAMING_PLAYWRIGHT, "[p] \xe2\x80\xba a.ts:3:5 \xe2\x80\xba t", "a.ts:3", "a.ts:3",
                 "a.ts");
}

static void check_same_key(enum naming naming, const char *id, const char *classname,
                           const char *name)
{
    char *class = xstrdup(classname), *test = xstrdup(name);
    const struct result_case c = {.classname = class, .name = test};
    _cleanup_free_ char *listed = naming_key(naming, id);
    _cleanup_free_ char *reported = naming_case(naming, &c);
    check_str(reported, listed);
    free(class);
    free(test);
}

static void test_keys(void)
{
    check_same_key(NAMING_PYTEST, "tests/test_a.py::TestX::test_y[1/2.py::3]", "tests.test_a.TestX",
                   "test_y[1/2.py::3]");
    check_same_key(NAMING_PYTEST, "test_a.py::test_y", "test_a", "test_y");
    check_same_key(NAMING_DOTTED, "m.C.t", "m.C", "t");
    check_same_key(NAMING_GO, "x.org/m TestA", "x.org/m", "TestA");
    check_same_key(NAMING_PHPUNIT, "A\\B::t#0", "A.B", "t with data set #0");
    check_same_key(NAMING_PHPUNIT, "B::t\"first\"", "B", "t with data set \"first\"");
    check_same_key(NAMING_PLAYWRIGHT, "[p] \xe2\x80\xba a.ts:3:5 \xe2\x80\xba s \xe2\x80\xba t",
                   "a.ts", "s \xe2\x80\xba t");
    check_same_key(NAMING_FILE_PATH, "./t/a.test.ts", "t/a.test.ts", "a > one");
    check_same_key(NAMING_PLAYWRIGHT, "a.ts:3:5 \xe2\x80\xba t", "a.ts", "t");
    check_same_key(NAMING_FILE_CLASS, "test/a.bats", "a.bats", "says hello");
    check_same_key(NAMING_MOCHA, "s t", "s", "t");
    check_same_key(NAMING_MOCHA, "s t", "t", "s t");
    check_same_key(NAMING_NAME, "adds, twice", "exe.global", "adds, twice");
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_plain),
        TAP(test_pytest),
        TAP(test_unittest),
        TAP(test_gtest),
        TAP(test_ctest),
        TAP(test_go),
        TAP(test_the_others),
        TAP(test_refusals),
        TAP(test_any_bytes),
        TAP(test_groups),
        TAP(test_keys),
        {0},
    });
}

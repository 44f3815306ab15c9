/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The readers against what real runners printed: tests/data/reader/FORMAT/NAME.txt, and beside it
 * in NAME.want what is to be read out of it.
 */
#include <cleanroom/reader.h>

#include <glob.h>

#include <cleanroom/strbuf.h>

#include "tap.h"

#define DATA "tests/data/reader/"

static void show_text(struct strbuf *out, char mark, const char *text)
{
    while (text && *text) {
        size_t len = strcspn(text, "\n");
        strbuf_addf(out, "    %c", mark);
        strbuf_adds(out, len ? " " : "");
        strbuf_add(out, text, len);
        strbuf_addc(out, '\n');
        text += len + (text[len] == '\n');
    }
}

/* All that a reader tells, as text. */
static char *show(const struct reader_report *report, const struct result_suite *suite)
{
    static const char *const words[] = {"passed", "failed", "error", "skipped"};
    struct strbuf out = STRBUF_INIT;
    strbuf_addf(&out, "%s: %zu cases, said %ld, extras %zu%s\n",
                report->format ? report->format->name : "nothing", report->cases, report->said,
                report->extras, report->partial ? ", partial" : "");
    if (report->problem)
        strbuf_addf(&out, "problem: %s\n", report->problem);
    for (size_t i = 0; i < suite->cases.len; i++) {
        const struct result_case *c = &suite->cases.items[i];
        strbuf_addf(&out, "%s %s | %s", words[c->status], c->classname, c->name);
        if (c->duration)
            strbuf_addf(&out, " | %.6gs", nsec_to_sec(c->duration));
        strbuf_addc(&out, '\n');
        if (c->type)
            strbuf_addf(&out, "    type %s\n", c->type);
        if (c->message)
            strbuf_addf(&out, "    message %s\n", c->message);
        show_text(&out, '>', c->text);
        show_text(&out, '<', c->output);
    }
    return strbuf_detach(&out);
}

/* Pieces of at most `step` bytes. */
static char *read_in_pieces(const char *format, const char *bytes, size_t len, size_t step)
{
    struct result r;
    result_init(&r, "id", "app");
    struct result_suite *suite = result_add_suite(&r, 1, 1);
    struct reader *reader = reader_new(format);
    for (size_t at = 0; at < len; at += step)
        reader_feed(reader, bytes + at, step < len - at ? step : len - at);
    struct reader_report report;
    reader_finish(reader, suite, &report);
    reader_free(reader);
    check_int(report.cases, suite->cases.len);
    char *text = show(&report, suite);
    reader_report_deinit(&report);
    result_deinit(&r);
    return text;
}

static char *read_text(const char *format, const char *text)
{
    return read_in_pieces(format, text, strlen(text), SIZE_MAX);
}

static void check_shown(const char *what, const char *how, const char *got, const char *want)
{
    tap_check(strcmp(got, want) == 0, __FILE__, __LINE__, "%s, %s:\n%s", what, how, got);
}

static void with_carriage_returns(struct strbuf *out, const struct strbuf *in)
{
    for (size_t i = 0; i < in->len; i++) {
        if (in->buf[i] == '\n')
            strbuf_addc(out, '\r');
        strbuf_addc(out, in->buf[i]);
    }
}

static void check_fixture(const char *path)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT, want = STRBUF_INIT, dos = STRBUF_INIT;
    _cleanup_free_ char *want_path = xasprintf("%.*s.want", (int)(strlen(path) - 4), path);
    check_int(strbuf_read_file(&text, path, 1 << 20), 0);
    check_int(strbuf_read_file(&want, want_path, 1 << 20), 0);

    _cleanup_free_ char *whole = read_in_pieces(NULL, text.buf, text.len, SIZE_MAX);
    _cleanup_free_ char *bytes = read_in_pieces(NULL, text.buf, text.len, 1);
    _cleanup_free_ char *pieces = read_in_pieces(NULL, text.buf, text.len, 37);
    check_shown(path, "in one piece", whole, want.buf);
    check_shown(path, "byte by byte", bytes, want.buf);
    check_shown(path, "in pieces", pieces, want.buf);
    if (strstr(path, "/subunit/")) /* binary */
        return;
    with_carriage_returns(&dos, &text);
    _cleanup_free_ char *carriage = read_in_pieces(NULL, dos.buf, dos.len, 101);
    check_shown(path, "with carriage returns", carriage, want.buf);
}

/* What breaks off is not taken for whole. */
static void check_part(const char *path)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    check_int(strbuf_read_file(&text, path, 1 << 20), 0);
    _cleanup_free_ char *part = read_in_pieces(NULL, text.buf, text.len * 2 / 5, SIZE_MAX);
    tap_check(strncmp(part, "nothing:", 8) == 0 || strstr(part, "\nproblem: "), __FILE__, __LINE__,
              "the begin of %s:\n%s", path, part);
}

/* Two runs in one output, as of `a && b`: what was no problem is none. */
static void check_twice(const char *path)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    check_int(strbuf_read_file(&text, path, 1 << 20), 0);
    _cleanup_free_ char *once = read_in_pieces(NULL, text.buf, text.len, SIZE_MAX);
    _cleanup_free_ char *first = xstrndup(text.buf, text.len);
    strbuf_add(&text, first, strlen(first));
    _cleanup_free_ char *twice = read_in_pieces(NULL, text.buf, text.len, SIZE_MAX);
    tap_check(strstr(once, "\nproblem: ") || !strstr(twice, "\nproblem: "), __FILE__, __LINE__,
              "twice %s:\n%s", path, twice);
}

static void for_fixtures(const char *format, void (*fn)(const char *path))
{
    _cleanup_free_ char *pattern = xasprintf(DATA "%s/*.txt", format);
    glob_t found;
    check_int(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++)
        fn(found.gl_pathv[i]);
    globfree(&found);
}

#define FIXTURES(format)                                                                           \
    static void test_##format(void)                                                                \
    {                                                                                              \
        for_fixtures(#format, check_fixture);                                                      \
    }
FIXTURES(tap)
FIXTURES(gotest)
FIXTURES(subunit)
FIXTURES(teamcity)
FIXTURES(googletest)
FIXTURES(pytest)
FIXTURES(unittest)
FIXTURES(jest)
FIXTURES(mocha)

static void test_what_breaks_off(void)
{
    for_fixtures("*", check_part);
}

static void test_twice(void)
{
    for_fixtures("*", check_twice);
}

static void check_read(const char *format, const char *text, const char *want)
{
    _cleanup_free_ char *got = read_text(format, text);
    check_shown(text, format ? format : "recognised", got, want);
}

static void test_prose_is_none(void)
{
    static const char *const texts[] = {
        "",
        "\n\n",
        "ok\n",
        "ok 1\nok 2\n",
        "1..2\n",
        "ok 7 of them\n1..5\n",
        "app-1  | TAP version 13\napp-1  | 1..1\napp-1  | ok 1 - a\n",
        "see ##teamcity[testStarted name='a']\n",
        "{\"Action\":\"run\",\"User\":\"A\"}\n{\"Action\": 3}\n",
        "{\"Action\":\"jump\",\"Package\":\"p\"}\n",
        "[ RUN      ] A.b\n[       OK ] A.b (0 ms)\n",
        "tests/a.py::test_b PASSED\n",
        "Ran 3 tests in 0.1s\n\nOK\n",
        "PASS the salt\nTests: many\n",
        "  \xe2\x9c\x93 done\n  2 passing\n",
        "\xb3\x2b\x03 not a packet\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        check_read(NULL, texts[i], "nothing: 0 cases, said -1, extras 0\n");
}

static void test_named(void)
{
    check(!reader_new("nose"));
    check_read("tap", "fine\n",
               "nothing: 0 cases, said -1, extras 0\nproblem: nothing in the output is tap\n");
    check_read("tap", "ok 1 - a\n",
               "tap: 1 cases, said -1, extras 0\n"
               "problem: the output is cut short: there is no plan (\"1..N\")\npassed tap | a\n");
}

/* Nobody but the first that is sure is heard. */
static void test_one_is_sure(void)
{
    check_read(NULL, "TAP version 14\n##teamcity[testStarted name='a']\nok 1 - b\n1..1\n",
               "tap: 1 cases, said 1, extras 0\npassed tap | b\n");
}

/* What looks a little like tests, and then come tests. */
static void test_prose_before(void)
{
    check_read(NULL, "1..7\nok then\nok 9 of them\n1..3\nTAP version 13\nok 1 - a\n1..1\n",
               "tap: 1 cases, said 1, extras 0\npassed tap | a\n");
    check_read(NULL, "1..7\n1..1\nok 1 - a\n", "tap: 1 cases, said 1, extras 0\npassed tap | a\n");
    check_read(
        NULL,
        "see std::vector PASSED\nLoading (x.y) ... done\n"
        "===== test session starts =====\ncollected 1 item\n\n"
        "a.py::test_b PASSED [100%]\n\n====== 1 passed in 0.01s ======\nand c.py::d FAILED\n",
        "pytest: 1 cases, said 1, extras 0\npassed a | test_b\n");
    check_read(NULL,
               "Loading (x.y) ... done\ntest_a (x.Y.test_a) ... ok\n\n"
               "----------------------------------------------------------------------\n"
               "Ran 1 test in 0.000s\n\nOK\n",
               "unittest: 1 cases, said 1, extras 0\npassed x.Y | test_a\n");
    check_read(NULL,
               "  - a list\n  - of things\n\n\n  s\n    - b\n    \xe2\x9c\x94 a\n\n\n"
               "  1 passing (1ms)\n  1 pending\n",
               "mocha: 2 cases, said 2, extras 0\nskipped s | b\npassed s | a\n");
}

static void test_tap_words(void)
{
    check_read(NULL,
               "TAP version 14\n1..5\n"
               "ok 1 - a \\# b \\\\ c # time=12ms\n"
               "ok 2 # SKIPPED no net\n"
               "not ok 3 d # todo: later\n"
               "    ok 1 - inner\n"
               "    1..1\n"
               "not ok 4 - outer\n"
               "  ---\n  message: 'no'\n  duration_ms: 1500\n  ...\n"
               "ok\n",
               "tap: 6 cases, said 6, extras 0\n"
               "passed tap | a # b \\ c | 0.012s\n"
               "skipped tap | test 2\n    message no net\n"
               "skipped tap | d\n    message later\n"
               "passed outer | inner\n"
               "failed tap | outer | 1.5s\n    message no\n"
               "    > message: 'no'\n    > duration_ms: 1500\n"
               "passed tap | test 5\n");
}

/* What prove says of its files, and what tests say that looks the same. */
static void test_tap_files(void)
{
    check_read(NULL,
               "[18:30:32] t/a.t .. \n1..2\nok 1 - one\nok 2 - two\n"
               "ok      102 ms ( 0.00 usr  0.00 sys +  0.02 cusr  0.01 csys =  0.03 CPU)\n"
               "[18:30:32] t/b.t .. skipped: no db\n[18:30:32]\nAll tests successful.\n"
               "Result: PASS\n",
               "tap: 3 cases, said 2, extras 1\npassed t/a.t | one\npassed t/a.t | two\n"
               "skipped t/b.t | (all)\n    message no db\n");
    check_read(NULL, "TAP version 13\n1..2\nok 1 - a\nWaiting ... \nok 2 - b\n",
               "tap: 2 cases, said 2, extras 0\npassed tap | a\npassed tap | b\n");
    check_read(NULL, "1..3\nok - a\nnot ok\nok then\n",
               "tap: 3 cases, said 3, extras 0\npassed tap | a\nfailed tap | test 2\n"
               "passed tap | then\n");
}

static void test_tap_contradictions(void)
{
    check_read(NULL, "1..3\nok 1\nok 2\n",
               "tap: 2 cases, said 3, extras 0\n"
               "problem: the plan is of 3 tests, the output shows 2\n"
               "passed tap | test 1\npassed tap | test 2\n");
    check_read(NULL, "1..1\nok 1 - a\n    ok 1 - b\n    1..1\n",
               "tap: 2 cases, said 2, extras 0\n"
               "problem: the output is cut short: it ends within a subtest\n"
               "passed tap | a\npassed tap | b\n");
    check_read(NULL, "1..0\n", "tap: 0 cases, said 0, extras 0\n");
    check_read(NULL, "1..0 # SKIP no database\nTAP version 13\n1..0 # SKIP no database\n",
               "tap: 1 cases, said 0, extras 1\n"
               "skipped tap | (all)\n    message no database\n");
}

static void test_teamcity_words(void)
{
    check_read(NULL,
               "##teamcity[testSuiteStarted name='S' flowId='1']\n"
               "##teamcity[testSuiteStarted name='T' flowId='2']\n"
               "##teamcity[testStarted name='a' flowId='1']\n"
               "##teamcity[testStarted name='a' flowId='2']\n"
               "##teamcity[testStdOut name='a' out='x||y|n' flowId='1']\n"
               "##teamcity[testFailed name='a' message='|'|[|0x00e9|]|'' details='p|nq' "
               "type='E' flowId='2']\n"
               "##teamcity[testFinished name='a' duration='5' flowId='1']\n"
               "##teamcity[testFinished name='a' flowId='2']\n"
               "##teamcity[testSuiteFinished name='T' flowId='2']\n"
               "##teamcity[testSuiteFinished name='S' flowId='1']\n"
               "##teamcity[testIgnored name='p.C.b' message='no']\n",
               "teamcity: 3 cases, said -1, extras 0\n"
               "passed S | a | 0.005s\n    < x|y\n"
               "failed T | a\n    type E\n    message '[\xc3\xa9]'\n    > p\n    > q\n"
               "skipped p.C | b\n    message no\n");
    check_read(NULL,
               "##teamcity[testStarted name='a']\n##teamcity[testStdOut name='a' out='x\n"
               "##teamcity[nonsense\n##teamcity[testFailed name='a' message='|",
               "teamcity: 1 cases, said -1, extras 0\n"
               "problem: the output is cut short: 'a' of 'teamcity' did not end\n"
               "error teamcity | a\n    message did not end: the output ends before its verdict\n");
}

/* What was printed before a message had no newline; suites overlap. */
static void test_teamcity_in_lines(void)
{
    check_read(NULL,
               "##teamcity[testSuiteStarted name='ab']\n##teamcity[testSuiteStarted name='b']\n"
               "##teamcity[testSuiteFinished name='ab']\n##teamcity[testStarted name='t']\n"
               "done##teamcity[testFinished name='t']##teamcity[testIgnored name='u']\n"
               "##teamcity[testSuiteFinished name='b']\n",
               "teamcity: 2 cases, said -1, extras 0\npassed b | t\nskipped b | u\n");
    /* Of a class that is skipped as a whole. */
    check_read(NULL,
               "##teamcity[testCount count='3']\n##teamcity[testSuiteStarted name='b']\n"
               "##teamcity[testIgnored name='u']\n##teamcity[testSuiteFinished name='b']\n",
               "teamcity: 1 cases, said 1, extras 0\nskipped b | u\n");
}

/* test2json knows no package unless it is told. */
static void test_go_binary(void)
{
    check_read(
        NULL,
        "{\"Action\":\"start\"}\n{\"Action\":\"run\",\"Test\":\"TestA\"}\n"
        "{\"Action\":\"pass\",\"Test\":\"TestA\",\"Elapsed\":0}\n"
        "{\"Action\":\"output\",\"Output\":\"PASS\\n\"}\n{\"Action\":\"pass\",\"Elapsed\":0}\n",
        "go: 1 cases, said -1, extras 0\npassed go | TestA\n");
}

/* As Go 1.24 tells it. */
static void test_go_build(void)
{
    check_read(NULL,
               "{\"ImportPath\":\"x/bad [x/bad.test]\",\"Action\":\"build-output\","
               "\"Output\":\"bad_test.go:6:2: undefined: y\\n\"}\n"
               "{\"ImportPath\":\"x/bad [x/bad.test]\",\"Action\":\"build-fail\"}\n"
               "{\"Action\":\"start\",\"Package\":\"x/bad\"}\n"
               "{\"Action\":\"output\",\"Package\":\"x/bad\",\"Output\":\"FAIL\\tx/bad\\n\"}\n"
               "{\"Action\":\"fail\",\"Package\":\"x/bad\",\"Elapsed\":0}\n"
               "{\"Action\":\"start\",\"Package\":\"x/good\"}\n",
               "go: 1 cases, said -1, extras 1\n"
               "problem: the output is cut short: package 'x/good' did not end\n"
               "error x/bad | (package)\n    message bad_test.go:6:2: undefined: y\n"
               "    > bad_test.go:6:2: undefined: y\n    > FAIL\tx/bad\n");
}

static void test_subunit_damage(void)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    check_int(strbuf_read_file(&text, DATA "subunit/unittest.txt", 1 << 20), 0);
    text.buf[text.len - 1] ^= 1;
    _cleanup_free_ char *got = read_in_pieces(NULL, text.buf, text.len, 11);
    check_contains(got, "problem: a packet is damaged\n");
}

/* Packets that stand in the middle of lines, after characters that have the signature in them, and
   after what begins like one. */
static void test_subunit_in_text(void)
{
    static const char text[] = "za\xc5\xbc\xc3\xb3\xc5\x82\xc4\x87 \xb3 m \xb3\x20\x00\xff";
    _cleanup_strbuf_ struct strbuf in = STRBUF_INIT, mixed = STRBUF_INIT;
    check_int(strbuf_read_file(&in, DATA "subunit/unittest.txt", 1 << 20), 0);
    for (size_t at = 0; at < in.len;) {
        const unsigned char *p = (const unsigned char *)in.buf + at;
        size_t len = p[3] < 0x40 ? p[3] : (size_t)(p[3] & 0x3f) << 8 | p[4];
        check(p[0] == 0xb3 && p[3] < 0x80 && at + len <= in.len);
        strbuf_add(&mixed, text, sizeof(text) - 1);
        strbuf_add(&mixed, p, len);
        at += len;
    }
    _cleanup_free_ char *want = read_in_pieces(NULL, in.buf, in.len, SIZE_MAX);
    _cleanup_free_ char *got = read_in_pieces(NULL, mixed.buf, mixed.len, 11);
    check_shown("subunit", "in text", got, want);
}

/* Every byte of a packet stream and every cut of it: no crash, and names are there. */
static void test_subunit_any_byte(void)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    check_int(strbuf_read_file(&text, DATA "subunit/unittest.txt", 1 << 20), 0);
    for (size_t i = 0; i < 400; i++) {
        text.buf[i] ^= 0x55;
        _cleanup_free_ char *got = read_in_pieces("subunit", text.buf, text.len, SIZE_MAX);
        check_contains(got, "cases, said");
        text.buf[i] ^= 0x55;
    }
}

#define PYTEST_BEGIN "========= test session starts =========\n"

/* Plugins that shard take tests away after they were counted; others count more than tests. */
static void test_pytest_counts(void)
{
    static const char ends[][64] = {
        "========== 1 passed in 0.01s ==========",
        "= 1 passed, 3 subtests passed in 61.02s (0:01:01) =",
        "===== 1 passed, 2 rerun in 0.01s ======",
    };
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        _cleanup_free_ char *text = xasprintf(PYTEST_BEGIN "collected 4 items\n"
                                                           "Running 1 items in this shard\n\n"
                                                           "a.py::test_b PASSED [100%%]\n\n%s\n",
                                              ends[i]);
        check_read(NULL, text, "pytest: 1 cases, said 1, extras 0\npassed a | test_b\n");
    }
    check_read(NULL,
               PYTEST_BEGIN "collected 4 items\n\na.py::test_b PASSED [ 25%]\n"
                            "!!!!!!! _pytest.outcomes.Exit: no !!!!!!!\n"
                            "========== 1 passed in 0.01s ==========\n",
               "pytest: 1 cases, said 4, extras 0\n"
               "problem: pytest collected 4 tests and ended after 1\npassed a | test_b\n");
    /* Without names. */
    check_read(NULL,
               PYTEST_BEGIN "collected 4 items\n\na.py .s\n\n"
                            "!!!!!!! _pytest.outcomes.Exit: no !!!!!!!\n"
                            "==== 1 passed, 1 skipped in 0.01s =====\n",
               "pytest: 2 cases, said 4, extras 0, partial\n"
               "problem: pytest collected 4 tests and ended after 2\n"
               "skipped pytest | test 1\npassed pytest | test 2\n");
}

/* With -q, and nothing to complain about, a line of dots and the last line are all there is. */
static void test_pytest_quiet(void)
{
    static const char said[] = "pytest: 3 cases, said 3, extras 0, partial\n"
                               "skipped pytest | test 1\npassed pytest | test 2\n"
                               "passed pytest | test 3\n";
    static const char nothing[] = "nothing: 0 cases, said -1, extras 0\n";
    check_read(NULL, "..s          [100%]\n2 passed, 1 skipped in 0.01s\n", said);
    check_read(NULL, "..           [2/3]\ns            [3/3]\n2 passed, 1 skipped in 0.01s\n",
               said);
    check_read(NULL,
               "..s          [100%]\n========= warnings summary =========\na.py:1\n  a.py:1: Old\n"
               "-- Docs: x\n2 passed, 1 skipped, 1 warning in 0.01s\n",
               said);
    check_read(NULL, "..s          [100%]\n2 tests and 1 skipped in 0.01s\n", nothing);
    check_read(NULL, "Loading...   [100%]\n2 passed, 1 skipped in 0.01s\n", nothing);
    check_read(NULL, "2 passed, 1 skipped in 0.01s\n", nothing);
}

/* What tests print between rulers, too. */
static void test_pytest_rulers(void)
{
    check_read(NULL,
               PYTEST_BEGIN "collected 2 items\n\na.py::test_b ==== Results ====\nPASSED\n"
                            "a.py::test_c PASSED\n\n========== 2 passed in 0.01s ==========\n",
               "pytest: 2 cases, said 2, extras 0\npassed a | test_b\n    < ==== Results ====\n"
               "passed a | test_c\n");
}

#define UNITTEST_BAR "----------------------------------------------------------------------\n"

/* Tests without a dot in their names: of doctest, and functions. One that is not understood was not
   lost. */
static void test_unittest_names(void)
{
    check_read(NULL,
               "test_a (x.Y.test_a) ... ok\nf (doc)\nDoctest: doc.f ... ok\n"
               "g (doc)\nDoctest: doc.g ... FAIL\n"
               "unittest.case.FunctionTestCase (test_func) ... ok\nodd ... ok\n\n"
               "======================================================================\n"
               "FAIL: g (doc)\nDoctest: doc.g\n" UNITTEST_BAR "AssertionError: no\n\n" UNITTEST_BAR
               "Ran 5 tests in 0.018s\n\nFAILED (failures=1)\n",
               "unittest: 5 cases, said 5, extras 0, partial\n"
               "passed x.Y | test_a\npassed doc | f\n"
               "failed doc | g\n    type AssertionError\n    message AssertionError: no\n"
               "    > AssertionError: no\n"
               "passed test_func | unittest.case.FunctionTestCase\npassed unittest | test 1\n");
}

/* Files of which all is skipped are counted and not listed. */
static void test_jest_hidden(void)
{
    check_read(NULL,
               "PASS ./a.test.js\n  \xe2\x9c\x93 adds (1 ms)\n  \xe2\x97\x8b skipped b\n\n"
               "Test Suites: 1 skipped, 1 passed, 1 of 2 total\n"
               "Tests:       4 skipped, 1 passed, 5 total\n",
               "jest: 5 cases, said 5, extras 0, partial\npassed ./a.test.js | adds | 0.001s\n"
               "skipped ./a.test.js | b\n"
               "skipped jest | test 1\nskipped jest | test 2\nskipped jest | test 3\n");
    check_read(NULL,
               "PASS ./a.test.js\n  \xe2\x9c\x93 adds\n\nTest Suites: 1 total\n"
               "Tests:       9 skipped, 3 total\n",
               "jest: 3 cases, said 3, extras 0, partial\npassed ./a.test.js | adds\n"
               "skipped jest | test 1\nskipped jest | test 2\n");
}

/* What was printed before had no newline. */
static void test_googletest_in_lines(void)
{
    check_read(NULL,
               "main[==========] Running 1 test from 1 test suite.\nsuite[ RUN      ] A.b\n"
               "test[       OK ] A.b (1 ms)\nend[==========] 1 test from 1 test suite ran.\n",
               "googletest: 1 cases, said 1, extras 0\npassed A | b | 0.001s\n    < test\n");
}

/* A closing point with a long name, for many: their classes stay short. */
static void test_bound_of_names(void)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, "TAP version 14\n");
    for (int i = 1; i <= 1000; i++)
        strbuf_addf(&text, "    ok %d - a\n", i);
    strbuf_adds(&text, "    1..1000\nok 1 - ");
    for (int i = 0; i < 500000; i++)
        strbuf_addc(&text, 'p');
    strbuf_adds(&text, "\n1..1\n");
    _cleanup_free_ char *got = read_text(NULL, text.buf);
    check(strncmp(got, "tap: 1000 cases, said 1000, extras 0\n", 37) == 0);
    check(strlen(got) < 2000000);
}

static void test_bound_of_cases(void)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_addf(&text, "TAP version 13\n1..%d\n", READER_CASES_MAX + 10);
    for (int i = 1; i <= READER_CASES_MAX + 10; i++)
        strbuf_addf(&text, "ok %d\n", i);
    struct result r;
    result_init(&r, "id", "app");
    struct result_suite *suite = result_add_suite(&r, 1, 1);
    struct reader *reader = reader_new(NULL);
    reader_feed(reader, text.buf, text.len);
    struct reader_report report;
    reader_finish(reader, suite, &report);
    check_int(report.cases, READER_CASES_MAX);
    check_int(report.said, READER_CASES_MAX + 10);
    check_contains(report.problem, "some are left out");
    reader_report_deinit(&report);
    reader_free(reader);
    result_deinit(&r);
}

/* A test that prints without end, in one line and in many. */
static void test_bound_of_text(void)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, "[==========] Running 1 test from 1 test suite.\n[ RUN      ] A.b\nbegin\n");
    for (int i = 0; i < 3000000; i++)
        strbuf_addc(&text, 'x');
    for (int i = 0; i < 100000; i++)
        strbuf_addf(&text, "%d\n", i);
    strbuf_adds(&text, "end\n[  FAILED  ] A.b (7 ms)\n"
                       "[==========] 1 test from 1 test suite ran. (7 ms total)\n");
    _cleanup_free_ char *got = read_text(NULL, text.buf);
    check(strncmp(got, "googletest: 1 cases, said 1, extras 0\nfailed A | b | 0.007s\n", 60) == 0);
    check_contains(got, "> begin\n");
    check_contains(got, "bytes left out");
    check_contains(got, "> end\n");
    check(strlen(got) < 200000);
}

static void test_bound_of_depth(void)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, "TAP version 14\n");
    for (int i = 0; i < 1000; i++)
        strbuf_addf(&text, "%*sok 1 - a\n", i * 4, "");
    _cleanup_free_ char *got = read_text(NULL, text.buf);
    check_contains(got, "tap: 32 cases");
    check_contains(got, "problem: ");
}

/* More tests at once than texts are kept for: every one has its verdict. */
static void test_bound_of_tests_at_once(void)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    for (int i = 0; i < 3000; i++)
        strbuf_addf(&text,
                    "{\"Action\":\"run\",\"Package\":\"p\",\"Test\":\"T%d\"}\n"
                    "{\"Action\":\"output\",\"Package\":\"p\",\"Test\":\"T%d\",\"Output\":\"o\"}\n",
                    i, i);
    for (int i = 0; i < 3000; i++)
        strbuf_addf(&text, "{\"Action\":\"pass\",\"Package\":\"p\",\"Test\":\"T%d\"}\n", i);
    strbuf_adds(&text, "{\"Action\":\"pass\",\"Package\":\"p\"}\n");
    _cleanup_free_ char *got = read_text(NULL, text.buf);
    check(strncmp(got, "go: 3000 cases, said -1, extras 0\npassed p | T0\n    < o\n", 55) == 0);
    check(!strstr(got, "error "));
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_tap),
        TAP(test_gotest),
        TAP(test_subunit),
        TAP(test_teamcity),
        TAP(test_googletest),
        TAP(test_pytest),
        TAP(test_unittest),
        TAP(test_jest),
        TAP(test_mocha),
        TAP(test_what_breaks_off),
        TAP(test_twice),
        TAP(test_prose_is_none),
        TAP(test_named),
        TAP(test_one_is_sure),
        TAP(test_prose_before),
        TAP(test_tap_words),
        TAP(test_tap_files),
        TAP(test_tap_contradictions),
        TAP(test_teamcity_words),
        TAP(test_teamcity_in_lines),
        TAP(test_go_binary),
        TAP(test_go_build),
        TAP(test_subunit_damage),
        TAP(test_subunit_in_text),
        TAP(test_subunit_any_byte),
        TAP(test_pytest_counts),
        TAP(test_pytest_quiet),
        TAP(test_pytest_rulers),
        TAP(test_unittest_names),
        TAP(test_jest_hidden),
        TAP(test_googletest_in_lines),
        TAP(test_bound_of_names),
        TAP(test_bound_of_cases),
        TAP(test_bound_of_text),
        TAP(test_bound_of_depth),
        TAP(test_bound_of_tests_at_once),
        {0},
    });
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/junit.h>
#include <cleanroom/strbuf.h>

#include "tap.h"

#define CORPUS "tests/fuzz/corpus/junit/"

static void begin(struct result *r)
{
    result_init(r, "id", "app");
    result_add_suite(r, 1, 1);
}

static const struct result_case *at(const struct result *r, size_t i)
{
    static const struct result_case none = {0};
    check(i < r->suites.items[0].cases.len);
    return i < r->suites.items[0].cases.len ? &r->suites.items[0].cases.items[i] : &none;
}

static long read_text(struct result *r, const char *xml, struct error *err)
{
    begin(r);
    return junit_read(xml, strlen(xml), &r->suites.items[0], err);
}

static void read_file(struct result *r, const char *path, long want)
{
    _cleanup_strbuf_ struct strbuf xml = STRBUF_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    check_int(strbuf_read_file(&xml, path, 1 << 20), 0);
    begin(r);
    check_int(junit_read(xml.buf, xml.len, &r->suites.items[0], &err), want);
    check_str(err.message, NULL);
}

static void test_references_in_attributes(void)
{
    struct result r;
    check_int(read_text(&r,
                        "<testsuite><testcase classname='A&amp;B' name='a&lt;b&#38;&#x26;amp;' "
                        "file='&quot;'/></testsuite>",
                        NULL),
              1);
    check_str(at(&r, 0)->classname, "A&B");
    check_str(at(&r, 0)->name, "a<b&&amp;");
    check_str(at(&r, 0)->file, "\"");
    result_deinit(&r);
}

static void test_googletest(void)
{
    struct result r;
    read_file(&r, CORPUS "gtest.xml", 4);
    check_int(at(&r, 0)->status, CASE_PASSED);
    check_int(at(&r, 0)->duration, 5 * NSEC_PER_MSEC);
    check_str(at(&r, 0)->classname, "Math");
    check_int(at(&r, 1)->status, CASE_FAILED);
    check_str(at(&r, 1)->message, "m.cc:9");
    check_str(at(&r, 1)->text, "m.cc:9\nExpected equality\n  1\n  2\nm.cc:10\nsecond");
    check_int(at(&r, 2)->status, CASE_SKIPPED);
    check_int(at(&r, 3)->status, CASE_SKIPPED);
    check_str(at(&r, 3)->message, "m.cc:20");
    result_deinit(&r);
}

static void test_pytest(void)
{
    struct result r;
    read_file(&r, CORPUS "pytest.xml", 4);
    check_str(at(&r, 0)->classname, "tests.test_a");
    check_str(at(&r, 0)->name, "test_ok");
    check_str(at(&r, 0)->output, "hello\noops\n");
    check_str(at(&r, 0)->text, NULL);
    check_int(at(&r, 1)->status, CASE_FAILED);
    check_str(at(&r, 1)->message, "AssertionError: assert 1 == 2");
    check_contains(at(&r, 1)->text, ">   assert 1 == 2");
    check_int(at(&r, 2)->status, CASE_SKIPPED);
    check_str(at(&r, 2)->type, "pytest.skip");
    check_int(at(&r, 3)->status, CASE_ERROR);
    check_str(at(&r, 3)->message, "failed on setup with \"ValueError\"");
    result_deinit(&r);
}

static void test_jest(void)
{
    struct result r;
    read_file(&r, CORPUS "jest.xml", 2);
    check_int(at(&r, 0)->status, CASE_PASSED);
    check_int(at(&r, 1)->status, CASE_FAILED);
    check_str(at(&r, 1)->message, "Error: expect(received).toBe(expected) // Object.is equality");
    result_deinit(&r);
}

static void test_surefire(void)
{
    struct result r;
    read_file(&r, CORPUS "surefire.xml", 4);
    check_int(at(&r, 0)->duration, INT64_C(1234567) * NSEC_PER_MSEC);
    check_int(at(&r, 1)->status, CASE_FAILED);
    check_str(at(&r, 1)->type, "org.opentest4j.AssertionFailedError");
    check_str(at(&r, 1)->message, "expected: <3> but was: <4>");
    check_str(at(&r, 1)->output, NULL);
    check_int(at(&r, 2)->status, CASE_PASSED); /* it passed in the end */
    check_str(at(&r, 2)->output, NULL);
    check_int(at(&r, 3)->status, CASE_SKIPPED);
    check_int(at(&r, 3)->duration, 0);
    result_deinit(&r);
}

static void test_nested_suites(void)
{
    struct result r;
    read_file(&r, CORPUS "phpunit.xml", 3);
    check_str(at(&r, 0)->classname, "CartTest");
    check_int(at(&r, 0)->duration, 123 * NSEC_PER_USEC);
    check_str(at(&r, 1)->classname, "CartTest::testSum"); /* its suite's name */
    check_int(at(&r, 1)->duration, 10 * NSEC_PER_USEC);
    check_str(at(&r, 2)->classname, "broken");
    check_str(at(&r, 2)->name, "(suite)");
    check_int(at(&r, 2)->status, CASE_ERROR);
    check_str(at(&r, 2)->text, "require failed");
    result_deinit(&r);
}

static void check_time(const char *time, double want_ms)
{
    _cleanup_free_ char *xml = xasprintf(
        "<testsuite name='s'><testcase name='t' time='%s'/></testsuite>", time);
    struct result r;
    check_int(read_text(&r, xml, NULL), 1);
    tap_check(at(&r, 0)->duration == (nsec_t)(want_ms * 1e6), __FILE__, __LINE__, "'%s' is %lld ns",
              time, (long long)at(&r, 0)->duration);
    result_deinit(&r);
}

static void test_times(void)
{
    check_time("1.5", 1500);
    check_time("1,234.5", 1234500);
    check_time("1,234,567", 1234567000);
    check_time("1,234", 1234000);
    check_time("0,123", 123);
    check_time("12,5", 12500);
    check_time("1.234,5", 1234500);
    check_time("1e-05", 0.01);
    check_time("1e-400", 0);
    check_time("1e400", 1e12);
    check_time("", 0);
    check_time("-1", 0);
    check_time("nan", 0);
    check_time("0.5s", 500);
}

static void test_missing_attributes(void)
{
    struct result r;
    check_int(read_text(&r,
                        "<testsuites><testsuite><testcase/><testcase name='' classname=''/>"
                        "</testsuite></testsuites>",
                        NULL),
              2);
    check_str(at(&r, 0)->name, "unnamed");
    check_str(at(&r, 0)->classname, "unnamed");
    check_str(at(&r, 1)->name, "unnamed");
    result_deinit(&r);
}

static void check_refused(const char *xml, const char *why)
{
    struct result r;
    _cleanup_error_ struct error err = ERROR_INIT;
    check_int(read_text(&r, xml, &err), -1);
    check_contains(err.message, why);
    check_int(r.suites.items[0].cases.len, 0);
    result_deinit(&r);
}

static void test_refusals(void)
{
    check_refused("", "empty");
    check_refused("not xml", "not well-formed");
    check_refused("<coverage/>", "its root element is 'coverage'");
    check_refused("<testsuite><testcase name='a'/><testcase name='b'>", "not well-formed");
    check_refused("<testsuite><testcase name='a'/></testsuite><testsuite/>", "not well-formed");
}

static void test_no_entities(void)
{
    check_refused("<!DOCTYPE t [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
                  "<testsuite><testcase name='&x;'/></testsuite>",
                  "document type");
    check_refused("<!DOCTYPE t SYSTEM 'http://127.0.0.1:1/x.dtd'><testsuite/>", "document type");
    struct strbuf xml = STRBUF_INIT;
    strbuf_adds(&xml, "<!DOCTYPE t [<!ENTITY a0 'haha'>");
    for (int i = 1; i < 20; i++)
        strbuf_addf(&xml, "<!ENTITY a%d '&a%d;&a%d;&a%d;&a%d;'>", i, i - 1, i - 1, i - 1, i - 1);
    strbuf_adds(&xml, "]><testsuite name='&a19;'>&a19;<testcase name='&a19;'/></testsuite>");
    check_refused(xml.buf, "document type");
    strbuf_deinit(&xml);
}

static void test_depth_is_bounded(void)
{
    struct strbuf xml = STRBUF_INIT;
    for (int i = 0; i < 100000; i++)
        strbuf_adds(&xml, "<testsuite name='s'>");
    check_refused(xml.buf, "more than 64 deep");
    strbuf_deinit(&xml);
}

static void test_size_is_bounded(void)
{
    struct result r;
    _cleanup_error_ struct error err = ERROR_INIT;
    begin(&r);
    check_int(junit_read("", ((size_t)32 << 20) + 1, &r.suites.items[0], &err), -1);
    check_contains(err.message, "longer than 32 MiB");
    result_deinit(&r);
}

/* 20 MB of output in a CDATA section: past libxml2's own limit. */
static void test_big_output_is_bounded_not_refused(void)
{
    struct strbuf xml = STRBUF_INIT;
    strbuf_adds(&xml, "<testsuite><testcase name='a'><system-out><![CDATA[begin");
    for (int i = 0; i < 20000; i++)
        strbuf_addf(&xml, "%01000d", i);
    strbuf_adds(&xml, "end]]></system-out></testcase></testsuite>");
    struct result r;
    check_int(read_text(&r, xml.buf, NULL), 1);
    check(strlen(at(&r, 0)->output) < 70000);
    check(strncmp(at(&r, 0)->output, "begin", 5) == 0);
    check_contains(at(&r, 0)->output, "bytes left out");
    check_str(at(&r, 0)->output + strlen(at(&r, 0)->output) - 3, "end");
    result_deinit(&r);
    strbuf_deinit(&xml);
}

static void test_raw_terminal_colors_are_healed(void)
{
    struct result r;
    check_int(read_text(&r,
                        "<?xml version='1.0' encoding='UTF-8'?><testsuite><testcase name='a'>"
                        "<failure message='\x1b[31mred\x1b[0m &#27;[1m'>caf\xe9 \x01</failure>"
                        "</testcase><testcase name='b'/></testsuite>",
                        NULL),
              2);
    check_int(at(&r, 0)->status, CASE_FAILED);
    check_contains(at(&r, 0)->message, "red");
    check_str(at(&r, 0)->text, "caf\xef\xbf\xbd #x01");
    result_deinit(&r);
}

/* A report that breaks off in a raw byte's document is not healed into half of it. */
static void test_half_a_report_is_none(void)
{
    check_refused("<testsuite><testcase name='a'>\x1b[1m</testcase><testcase name='b'>", "");
}

static void test_appends(void)
{
    struct result r;
    begin(&r);
    struct result_suite *s = &r.suites.items[0];
    result_add_case(s, "T", "before", CASE_PASSED, 0);
    const char *xml = "<testsuite><testcase name='a'/></testsuite>";
    check_int(junit_read(xml, strlen(xml), s, NULL), 1);
    check_int(junit_read(xml, strlen(xml) - 1, s, NULL), -1);
    check_int(s->cases.len, 2);
    check_str(at(&r, 0)->name, "before");
    result_deinit(&r);
}

static void test_words_that_tell_a_status(void)
{
    static const struct {
        const char *attributes;
        enum case_status want;
    } rows[] = {
        {"status='run'", CASE_PASSED},       {"status='disabled'", CASE_SKIPPED},
        {"status='fail'", CASE_FAILED},      {"result='skipped'", CASE_SKIPPED},
        {"result='completed'", CASE_PASSED}, {"status='Error'", CASE_ERROR},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_ char *xml = xasprintf("<testsuite><testcase name='a' %s/></testsuite>",
                                             rows[i].attributes);
        struct result r;
        check_int(read_text(&r, xml, NULL), 1);
        check_int(at(&r, 0)->status, rows[i].want);
        result_deinit(&r);
    }
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_references_in_attributes),
        TAP(test_googletest),
        TAP(test_pytest),
        TAP(test_jest),
        TAP(test_surefire),
        TAP(test_nested_suites),
        TAP(test_times),
        TAP(test_missing_attributes),
        TAP(test_refusals),
        TAP(test_no_entities),
        TAP(test_depth_is_bounded),
        TAP(test_size_is_bounded),
        TAP(test_big_output_is_bounded_not_refused),
        TAP(test_raw_terminal_colors_are_healed),
        TAP(test_half_a_report_is_none),
        TAP(test_appends),
        TAP(test_words_that_tell_a_status),
        {0},
    });
}

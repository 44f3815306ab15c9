/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/junit.h>

#include "tap.h"

static const char report[] =
    "<testsuites name='shop' time='12.5'>"
    "<testsuite name='shard 2 of 4' tests='2' time='11.25' timestamp='2014-08-02T10:11:12' "
    "hostname='ci-7'><properties><property name='tests.planned' value='10'/>"
    "<property name='tests.ran' value='9'/><property name='tests.never-ran' value='1'/>"
    "<property name='tests.complete' value='yes'/><property name='run.seed' value='7=8'/>"
    "<property name='cleanroom.run' value='0123456789ab'/>"
    "<property name='service.db' value='postgres'/></properties>"
    "<testcase classname='cleanroom.shard-2' name='test' time='3'/>"
    "<testcase classname='T' name='flaky' time='1' file='t.py' line='12'>"
    "<flakyFailure message='once' type='Boom'>\n  <stackTrace>at x</stackTrace>\n  "
    "<system-out>said</system-out></flakyFailure>"
    "<flakyError type='error'>old form</flakyError><system-out>in the end</system-out></testcase>"
    "<system-out>whole</system-out><system-err>bad</system-err></testsuite>"
    "<testsuite name='others'><properties><property name='cleanroom.shard' value='3/4'/>"
    "</properties><testsuite name='inner'><testcase name='never'><failure message='1st'/>"
    "<rerunFailure message='2nd' type='failure'><stackTrace/></rerunFailure></testcase>"
    "</testsuite></testsuite></testsuites>";

static void test_suites_stay_apart(void)
{
    struct result r;
    result_init(&r, "", "app");
    _cleanup_error_ struct error err = ERROR_INIT;
    check_int(junit_read_suites(report, sizeof(report) - 1, &r, &err), 3);
    check_str(err.message, NULL);
    check_str(r.run_id, "0123456789ab");
    check_str(r.name, "shop");
    check(r.finished);
    check_int(r.started_wall, INT64_C(1406974272) * NSEC_PER_SEC);
    check_int(r.duration, 12500 * NSEC_PER_MSEC);
    check(r.tally.known && r.tally.was_planned && r.tally.complete);
    check_int(r.tally.planned, 10);
    check_int(r.tally.ran, 9);
    check_int(r.tally.never, 1);
    check_int(r.properties.len, 1);
    check_str(r.properties.items[0], "seed=7=8");
    check_int(r.suites.len, 2);

    const struct result_suite *s = &r.suites.items[0];
    check_int(s->shard, 2);
    check_str(s->hostname, "ci-7");
    check_int(s->duration, 11250 * NSEC_PER_MSEC);
    check_int(s->properties.len, 2);
    check_str(s->properties.items[1], "service.db=postgres");
    check(result_case_is_phase(&s->cases.items[0]));
    _cleanup_free_ char *out = capture_text(&s->out, NULL), *bad = capture_text(&s->err, NULL);
    check_str(out, "whole");
    check_str(bad, "bad");
    check_str(r.suites.items[1].name, "others");
    check_int(r.suites.items[1].shard, 3);
    check_str(r.suites.items[1].cases.items[0].classname, "inner");
    result_deinit(&r);
}

static void test_reruns(void)
{
    struct result r;
    result_init(&r, "", "app");
    check_int(junit_read_suites(report, sizeof(report) - 1, &r, NULL), 3);
    const struct result_case *c = &r.suites.items[0].cases.items[1];
    check(result_case_is_flaky(c));
    check_str(c->file, "t.py");
    check_int(c->line, 12);
    check_str(c->output, "in the end");
    check_str(c->text, NULL);
    check_int(c->reruns.len, 2);
    check_str(c->reruns.items[0].message, "once");
    check_str(c->reruns.items[0].type, "Boom");
    check_str(c->reruns.items[0].text, "at x");
    check_str(c->reruns.items[0].output, "said");
    check_int(c->reruns.items[1].status, CASE_ERROR);
    check_str(c->reruns.items[1].text, "old form");
    check_str(c->reruns.items[1].type, NULL);
    c = &r.suites.items[1].cases.items[0];
    check_int(c->status, CASE_FAILED);
    check_str(c->message, "1st");
    check_int(c->reruns.len, 1);
    check_str(c->reruns.items[0].message, "2nd");
    check_str(c->reruns.items[0].text, NULL);
    result_deinit(&r);
}

/* What cannot be read leaves nothing behind. */
static void test_all_or_nothing(void)
{
    struct result r;
    result_init(&r, "id", "app");
    nsec_t started = r.started_wall;
    check_int(junit_read_suites(report, sizeof(report) - 3, &r, NULL), -1);
    check_str(r.run_id, "id");
    check_str(r.name, "app");
    check_int(r.started_wall, started);
    check_int(r.suites.len, 0);
    check_int(r.properties.len, 0);
    check(!r.tally.known);
    check_int(junit_read_suites("<testsuites><testcase name='a'/></testsuites>", 45, &r, NULL), 1);
    check_str(r.suites.items[0].name, "unnamed");
    check_int(r.suites.items[0].shard, 0);
    result_deinit(&r);
}

static void test_unfinished(void)
{
    static const char text[] =
        "<testsuites><testsuite name='cleanroom'><testcase classname='cleanroom' name='run'>"
        "<error message='started, not finished: killed'/></testcase></testsuite></testsuites>";
    struct result r;
    result_init(&r, "id", "app");
    r.finished = true;
    check_int(junit_read_suites(text, sizeof(text) - 1, &r, NULL), 1);
    check(!r.finished);
    check_int(r.suites.items[0].cases.items[0].status, CASE_ERROR);
    result_deinit(&r);
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_suites_stay_apart),
        TAP(test_reruns),
        TAP(test_all_or_nothing),
        TAP(test_unfinished),
        {0},
    });
}

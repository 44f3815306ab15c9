/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of machines that shared a run: written by our writer, joined, and held against the plan.
 */
#include "split/merge.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cleanroom/strbuf.h>

#include "tap.h"

#define SHARDS 6

struct scene {
    struct result reports[3]; /* of two shards each */
    struct planfile plan;
    bool planned;
    enum junit_dialect dialect;
    struct merge merge;
};

static struct result_suite *suite_of(struct scene *s, int shard)
{
    return &s->reports[(shard - 1) / 2].suites.items[(shard - 1) % 2];
}

static struct result_case *ran(struct scene *s, int shard, const char *class, const char *name)
{
    return result_add_case(suite_of(s, shard), class, name, CASE_PASSED, NSEC_PER_SEC);
}

/* Each shard has run a test of its own. */
static void begin(struct scene *s)
{
    *s = (struct scene){0};
    for (int i = 0; i < 3; i++) {
        struct result *r = &s->reports[i];
        result_init(r, "0123456789ab", "shop");
        r->finished = true;
        r->started_wall = (1700000000 + i * 10) * NSEC_PER_SEC;
        strvec_push(&r->properties, "image=app:1");
        strvec_pushf(&r->properties, MERGE_SLICE_PROPERTY "=%d/3", i + 1);
        strvec_push(&r->properties, PLANFILE_PROPERTY "=0123456789ab");
        for (int k = 1; k <= 2; k++) {
            struct result_suite *suite = result_add_suite(r, 2 * i + k, SHARDS);
            _cleanup_free_ char *phase = xasprintf(RESULT_PHASE_CLASS, suite->shard);
            suite->started_wall = r->started_wall;
            suite->duration = 20 * NSEC_PER_SEC;
            suite->hostname = xasprintf("machine-%d", i + 1);
            (void)result_add_case(suite, phase, "test", CASE_PASSED, NSEC_PER_SEC);
        }
    }
    for (int i = 1; i <= SHARDS; i++) {
        _cleanup_free_ char *name = xasprintf("test_%d", i);
        (void)ran(s, i, "t.a", name);
    }
}

/* What was to run: test_1 to test_6. */
static void plan(struct scene *s, const char *runner)
{
    const char *text = "t/a.py::test_1\nt/a.py::test_2\nt/a.py::test_3\nt/a.py::test_4\n"
                       "t/a.py::test_5\nt/a.py::test_6\n";
    s->planned = true;
    s->plan = (struct planfile){.path = xstrdup("plan.json"),
                                .id = xstrdup("0123456789ab"),
                                .application = xstrdup("shop"),
                                .shards = SHARDS,
                                .runner = xstrdup(runner),
                                .listed = true};
    check_int(test_list_read(&s->plan.tests, LIST_PLAIN, NAMING_PYTEST, text, strlen(text), NULL),
              0);
}

static void scene_deinit(struct scene *s)
{
    for (int i = 0; i < 3; i++)
        result_deinit(&s->reports[i]);
    planfile_deinit(&s->plan);
    merge_deinit(&s->merge);
}
#define _cleanup_scene_ _cleanup_(scene_deinit)

static void write_report(const struct scene *s, const struct result *r, struct strbuf *text)
{
    char directory[] = "/tmp/cleanroom-merge-XXXXXX";
    check(mkdtemp(directory) != NULL);
    _cleanup_close_ int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_free_ char *path = xasprintf("%s/junit.xml", directory);
    check_int(junit_write(r, s->dialect, dir, "junit.xml", NULL), 0);
    check_int(strbuf_read_file(text, path, MERGE_REPORT_MAX), 0);
    check_int(unlink(path), 0);
    check_int(rmdir(directory), 0);
}

/* Hands slice i (from 1) to the merge, by way of its file. */
static void add(struct scene *s, int i)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *path = xasprintf("%d/junit.xml", i);
    write_report(s, &s->reports[i - 1], &text);
    check_int(merge_add(&s->merge, path, text.buf, text.len, &err), 0);
    check_str(err.message, NULL);
}

static const struct merge *finish(struct scene *s)
{
    merge_finish(&s->merge, s->planned ? &s->plan : NULL, 0);
    return &s->merge;
}

/* The i-th sentence, or NULL. */
static const char *error_at(const struct scene *s, size_t i)
{
    return i < s->merge.errors.len ? s->merge.errors.items[i] : NULL;
}

static void test_good(void)
{
    for (int dialect = DIALECT_JENKINS; dialect <= DIALECT_GITLAB; dialect++) {
        _cleanup_scene_ struct scene s;
        begin(&s);
        plan(&s, "pytest");
        s.dialect = (enum junit_dialect)dialect;
        for (int i = 3; i >= 1; i--)
            add(&s, i);
        const struct merge *m = finish(&s);
        check_str(error_at(&s, 0), NULL);
        check(!merge_has_failures(m));
        check_int(m->result.suites.len, SHARDS);
        for (int i = 0; i < SHARDS; i++) {
            check_int(m->result.suites.items[i].shard, i + 1);
            check_int(m->result.suites.items[i].cases.len, 2);
        }
        check(m->result.finished);
        check_str(m->result.name, "shop");
        check_str(m->result.run_id, "0123456789ab");
        check_int(m->result.tally.planned, 6);
        check_int(m->result.tally.ran, 6);
        check_int(m->result.tally.doubled + m->result.tally.never, 0);
        check(m->result.tally.complete);
        check_int(m->result.remarks.len, 0);
    }
}

static void test_common(void)
{
    _cleanup_scene_ struct scene s;
    begin(&s);
    for (int i = 1; i <= 3; i++)
        add(&s, i);
    const struct merge *m = finish(&s);
    check_str(error_at(&s, 0), NULL);
    check_str(strvec_getenv(&m->result.properties, "image"), "app:1");
    check_str(strvec_getenv(&m->result.properties, MERGE_SLICE_PROPERTY), NULL);
    check_int(m->result.started_wall, 1700000000 * NSEC_PER_SEC);
    check_int(m->result.duration, 40 * NSEC_PER_SEC);
    check_str(m->result.suites.items[0].hostname, "machine-1");
    check_str(m->result.suites.items[5].hostname, "machine-3");
    check(!m->result.tally.was_planned);
}

/* What one machine skipped and another ran is no skipped test. */
static void test_echoes(void)
{
    _cleanup_scene_ struct scene s;
    begin(&s);
    result_add_case(suite_of(&s, 1), "t.a", "test_5", CASE_SKIPPED, 0);
    result_add_case(suite_of(&s, 2), "t.a", "test_7", CASE_SKIPPED, 0);
    for (int i = 1; i <= 3; i++)
        add(&s, i);
    const struct merge *m = finish(&s);
    check_str(error_at(&s, 0), NULL);
    check_int(m->result.tally.ran, 6);
    check_int(m->result.tally.skipped, 1);
}

static void test_missing_slice(void)
{
    _cleanup_scene_ struct scene s;
    begin(&s);
    plan(&s, "pytest");
    add(&s, 1);
    add(&s, 3);
    const struct merge *m = finish(&s);
    check_str(error_at(&s, 0), "slice 2/3 is missing: shards 3..4 of 6");
    check_str(error_at(&s, 1), NULL); /* of its tests nothing more is to be said */
    check(!m->result.tally.complete);
    check_int(m->result.tally.never, 2);
    check(merge_has_failures(m));
    const struct result_suite *own = &m->result.suites.items[m->result.suites.len - 1];
    check_int(own->shard, 0);
    check_str(own->cases.items[0].name, "proof");
    check_str(own->cases.items[0].message, "slice 2/3 is missing: shards 3..4 of 6");
}

/* Where nothing says what the slices were, the shards are named. */
static void test_missing_shards(void)
{
    _cleanup_scene_ struct scene s;
    begin(&s);
    strvec_deinit(&s.reports[0].properties);
    strvec_deinit(&s.reports[2].properties);
    result_remove_suite(&s.reports[2], 1);
    add(&s, 1);
    add(&s, 3);
    finish(&s);
    check_str(error_at(&s, 0), "shards 3..4, 6 of 6 are missing");
    check_str(error_at(&s, 1), NULL);
}

static void test_twice(void)
{
    _cleanup_scene_ struct scene s;
    begin(&s);
    plan(&s, "pytest");
    for (int i = 1; i <= 3; i++)
        add(&s, i);
    add(&s, 2);
    const struct merge *m = finish(&s);
    check_str(error_at(&s, 0), "shards 3..4 are there twice: in '2/junit.xml' and '2/junit.xml'");
    check_str(error_at(&s, 1), NULL); /* its tests are not told as run twice, too */
    check_int(m->result.tally.ran, 6);
}

static void test_ran_in_several(void)
{
    _cleanup_scene_ struct scene s;
    begin(&s);
    plan(&s, "pytest");
    (void)ran(&s, 6, "t.a", "test_1");
    for (int i = 1; i <= 3; i++)
        add(&s, i);
    finish(&s);
    check_str(error_at(&s, 0), "1 planned test ran in more than one shard: t.a.test_1");
    check_str(error_at(&s, 1), NULL);
}

/* Each machine ran all of its plan, and nobody could tell from one report. */
static void test_never_ran(void)
{
    _cleanup_scene_ struct scene s;
    begin(&s);
    plan(&s, "pytest");
    result_suite_truncate(suite_of(&s, 4), 1);
    for (int i = 1; i <= 3; i++)
        add(&s, i);
    finish(&s);
    check_str(error_at(&s, 0), "1 planned test never ran: t/a.py::test_4");
    check_str(error_at(&s, 1), NULL);
}

static void test_did_not_shard(void)
{
    _cleanup_scene_ struct scene s;
    begin(&s);
    for (int i = 1; i <= SHARDS; i++) {
        result_suite_truncate(suite_of(&s, i), 1);
        (void)ran(&s, i, "t.a", "test_1");
        (void)ran(&s, i, "t.a", "test_2");
    }
    for (int i = 1; i <= 3; i++)
        add(&s, i);
    finish(&s);
    check_contains(error_at(&s, 0), "each of 6 shards ran the same 2 tests");
}

/* Our writer has called the second one "test_1 (2)"; and some tests are called so. */
static void test_ran_in_several_of_one(void)
{
    _cleanup_scene_ struct scene s;
    begin(&s);
    plan(&s, "pytest");
    (void)ran(&s, 2, "t.a", "test_1");
    (void)ran(&s, 4, "t.a", "test_3 (2)");
    (void)ran(&s, 4, "t.a", "test_3 (1)");
    (void)ran(&s, 4, "t.a", "test_4 (x)");
    *vec_push(&s.plan.tests.tests) = (struct test){xstrdup("t/a.py::test_3 (2)"),
                                                   xstrdup("t.a.test_3 (2)")};
    for (int i = 1; i <= 3; i++)
        add(&s, i);
    const struct merge *m = finish(&s);
    check_str(error_at(&s, 0), "1 planned test ran in more than one shard: t.a.test_1");
    check_str(error_at(&s, 1), NULL);
    check_int(m->result.tally.ran, 9);
}

static void test_expected(void)
{
    _cleanup_scene_ struct scene s;
    begin(&s);
    plan(&s, "pytest");
    s.plan.expect = 7;
    for (int i = 1; i <= 3; i++)
        add(&s, i);
    finish(&s);
    check_str(error_at(&s, 0), "expected 7 tests, and 6 are in the reports (0 of them skipped)");
}

static void test_not_finished(void)
{
    _cleanup_scene_ struct scene s;
    begin(&s);
    s.reports[1].finished = false;
    for (int i = 1; i <= 3; i++)
        add(&s, i);
    const struct merge *m = finish(&s);
    check_str(error_at(&s, 0), "'2/junit.xml' is of a run that was started, not finished");
    check_str(error_at(&s, 1), NULL);
    check(merge_has_failures(m));
    check_int(m->result.suites.len, SHARDS + 1);
}

/* A shard that broke has not run its tests, and says so itself. */
static void test_not_complete(void)
{
    _cleanup_scene_ struct scene s;
    begin(&s);
    plan(&s, "pytest");
    result_suite_truncate(suite_of(&s, 4), 1);
    suite_of(&s, 4)->cases.items[0].status = CASE_ERROR;
    s.reports[1].tally.known = true;
    for (int i = 1; i <= 3; i++)
        add(&s, i);
    const struct merge *m = finish(&s);
    check_str(error_at(&s, 0), NULL);
    check(merge_has_failures(m));
    check_int(m->result.tally.never, 1);
}

static void test_failures(void)
{
    _cleanup_scene_ struct scene s;
    begin(&s);
    struct result_case *c = ran(&s, 4, "t.a", "test_fails");
    c->status = CASE_FAILED;
    c->message = xstrdup("no");
    for (int i = 1; i <= 3; i++)
        add(&s, i);
    const struct merge *m = finish(&s);
    check_str(error_at(&s, 0), NULL);
    check(merge_has_failures(m));
    check_str(m->result.suites.items[3].cases.items[2].message, "no");
}

static void test_of_another_run(void)
{
    _cleanup_scene_ struct scene s;
    begin(&s);
    plan(&s, "pytest");
    strvec_deinit(&s.reports[1].properties);
    strvec_push(&s.reports[1].properties, PLANFILE_PROPERTY "=ba9876543210");
    replace_str(&s.reports[2].suites.items[0].name, "shard 5 of 12");
    for (int i = 1; i <= 3; i++)
        add(&s, i);
    finish(&s);
    check_str(error_at(&s, 0), "'2/junit.xml' was made by another plan than 'plan.json'");
    check_str(error_at(&s, 1), "'3/junit.xml' is of 12 shards, and 'plan.json' of 6");
    check_str(error_at(&s, 2), "slice 2/3 is missing: shards 3..4 of 6");
    check_str(error_at(&s, 3), "slice 3/3 is missing: shards 5..6 of 6");
}

static void check_no_report(const char *xml, const char *why)
{
    _cleanup_merge_ struct merge m = {0};
    _cleanup_error_ struct error err = ERROR_INIT;
    check_int(merge_add(&m, "x.xml", xml, strlen(xml), &err), -1);
    check_contains(err.message, why);
    check_int(error_exit_code(err.kind), 2);
}

static void test_no_reports(void)
{
    check_no_report("", "cannot read 'x.xml': ");
    check_no_report("<html/>", "cannot read 'x.xml': its root element is 'html'");
    check_no_report("<testsuites><testsuite name=\"pytest\"><testcase name=\"a\" classname=\"b\"/>"
                    "</testsuite></testsuites>",
                    "'x.xml' is no report of a run: it has no suite 'shard K of N'");
    check_no_report("<testsuites><testsuite name=\"shard 3 of 2\"/></testsuites>", "is no report");
    check_no_report("<testsuites><testsuite name=\"shard 1001 of 2000\"/></testsuites>",
                    "is no report");
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_good),
                                       TAP(test_common),
                                       TAP(test_echoes),
                                       TAP(test_missing_slice),
                                       TAP(test_missing_shards),
                                       TAP(test_twice),
                                       TAP(test_ran_in_several),
                                       TAP(test_never_ran),
                                       TAP(test_did_not_shard),
                                       TAP(test_ran_in_several_of_one),
                                       TAP(test_expected),
                                       TAP(test_not_finished),
                                       TAP(test_not_complete),
                                       TAP(test_failures),
                                       TAP(test_of_another_run),
                                       TAP(test_no_reports),
                                       {0}});
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/junit.h>
#include <cleanroom/strbuf.h>

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <libxml/parser.h>

#include "junit_file.h"
#include "tap.h"

#define check_query(doc, xpath, want)                                                              \
    do {                                                                                           \
        _cleanup_free_ char *_value = doc_query(doc, xpath);                                       \
        check_str(_value, want);                                                                   \
    } while (0)

/* Writes, and returns the valid document. */
static xmlDoc *write_valid(const struct result *r, const struct place *p)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    check_int(junit_write(r, DIALECT_JENKINS, p->dir, "junit.xml", &err), 0);
    check_str(err.message, NULL);
    xmlDoc *doc = place_parse(p);
    check(doc != NULL);
    check_int(schema_validate(doc, JUNIT_10_SCHEMA), 0);
    return doc;
}

static void fill_hostile(struct result *r)
{
    r->finished = true;
    r->duration = INT64_C(1234567890123);
    struct result_suite *s = result_add_suite(r, 1, 2);
    s->started_wall = INT64_C(1406974272345) * NSEC_PER_MSEC;
    s->duration = 1500 * NSEC_PER_USEC;
    strvec_push(&s->properties, "key=a=b\x01");
    strvec_push(&s->properties, "bare");
    result_add_case(s, "T", "same", CASE_PASSED, NSEC_PER_SEC);
    result_add_case(s, "T", "same", CASE_PASSED, -5);
    result_add_case(s, "T", "same (2)", CASE_PASSED, 0);
    struct result_case *c = result_add_case(s, "T<&\"'>", "t\x1b[1m\xff\n\x02", CASE_FAILED, 0);
    c->message = xstrdup("]]> \x1b[31m\"quoted\"");
    c->text = xstrdup("trace ]]> <a>\r\n\x1b[0m\x1b");
    c->output = xstrdup("printed \x07");
    c = result_add_case(s, "", "", CASE_SKIPPED, 0);
    c = result_add_case(s, "T", "errs", CASE_ERROR, 999999);
    c->type = xstrdup("Boom");
    capture_add(&s->out, "out\0put\x1b[K ]]>", 14);
    capture_add(&s->err, "\xed\xa0\x80", 3);
    s = result_add_suite(r, 1, 2); /* the same name again, and no case */
    s->duration = 0;
}

static void test_hostile_content_is_valid(void)
{
    struct place p;
    place_init(&p);
    struct result r;
    result_init(&r, "id", "my <app>");
    fill_hostile(&r);
    xmlDoc *doc = write_valid(&r, &p);
    check_query(doc, "/testsuites/@name", "my <app>");
    check_query(doc, "/testsuites/@tests", "7");
    check_query(doc, "/testsuites/@failures", "1");
    check_query(doc, "/testsuites/@errors", "1");
    check_query(doc, "/testsuites/@time", "1234.568");
    check_query(doc, "/*/testsuite[1]/@name", "shard 1 of 2");
    check_query(doc, "/*/testsuite[1]/@skipped", "1");
    check_query(doc, "/*/testsuite[1]/@time", "0.002");
    check_query(doc, "/*/testsuite[1]/@timestamp", "2014-08-02T10:11:12");
    check_query(doc, "/*/testsuite[1]/@hostname", r.hostname);
    check_query(doc, "//property[@name='key']/@value", "a=b#x01");
    check_query(doc, "//property[@name='bare']/@value", "");
    check_query(doc, "//testcase[4]/@classname", "T<&\"'>");
    check_query(doc, "//testcase[4]/@name", "t\xef\xbf\xbd\n#x02");
    check_query(doc, "//failure/@message", "]]> \"quoted\"");
    check_query(doc, "//failure/@type", "failure");
    check_query(doc, "//failure", "trace ]]> <a>\r\n#x1B");
    check_query(doc, "//testcase/system-out", "printed #x07");
    check_query(doc, "//error/@type", "Boom");
    check_query(doc, "//testcase[6]/@time", "0.001");
    check_query(doc, "/*/testsuite[1]/system-out", "out#x00put ]]>");
    check_query(doc, "/*/testsuite[1]/system-err", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    xmlFreeDoc(doc);
    result_deinit(&r);
    place_deinit(&p);
}

static void test_names_are_unique(void)
{
    struct place p;
    place_init(&p);
    struct result r;
    result_init(&r, "id", "app");
    fill_hostile(&r);
    xmlDoc *doc = write_valid(&r, &p);
    check_query(doc, "//testcase[1]/@name", "same");
    check_query(doc, "//testcase[2]/@name", "same (2)");
    check_query(doc, "//testcase[3]/@name", "same (2) (2)");
    check_query(doc, "/*/testsuite[2]/@name", "shard 1 of 2 (2)");
    xmlFreeDoc(doc);
    result_deinit(&r);
    place_deinit(&p);
}

static void test_a_suite_has_a_case(void)
{
    struct place p;
    place_init(&p);
    struct result r;
    result_init(&r, "id", "app");
    fill_hostile(&r);
    xmlDoc *doc = write_valid(&r, &p);
    check_query(doc, "count(/*/testsuite[2]/testcase)", "1");
    check_query(doc, "/*/testsuite[2]/@tests", "1");
    check_query(doc, "/*/testsuite[2]/testcase/skipped/@message", "nothing was run here");
    xmlFreeDoc(doc);
    result_deinit(&r);

    result_init(&r, "id", NULL);
    r.finished = true;
    doc = write_valid(&r, &p);
    check_query(doc, "/testsuites/@errors", "1");
    check_query(doc, "//error/@message", "nothing was run");
    xmlFreeDoc(doc);
    result_deinit(&r);
    place_deinit(&p);
}

static void test_unfinished_is_an_error(void)
{
    struct place p;
    place_init(&p);
    struct result r;
    result_init(&r, "id", "app");
    result_add_case(result_add_suite(&r, 1, 1), "T", "t", CASE_PASSED, 0);
    xmlDoc *doc = write_valid(&r, &p);
    check_query(doc, "/testsuites/@tests", "2");
    check_query(doc, "/testsuites/@errors", "1");
    check_query(doc, "/*/testsuite[1]/@name", "cleanroom");
    check_query(doc, "//error/@message",
                "started, not finished: the run was interrupted or is still going on");
    xmlFreeDoc(doc);

    r.finished = true;
    doc = write_valid(&r, &p);
    check_query(doc, "count(//error)", "0");
    xmlFreeDoc(doc);
    result_deinit(&r);
    place_deinit(&p);
}

static void test_output_is_bounded(void)
{
    struct place p;
    place_init(&p);
    struct result r;
    result_init(&r, "id", "app");
    r.finished = true;
    struct result_case *c = result_add_case(result_add_suite(&r, 1, 1), "T", "t", CASE_FAILED, 0);
    c->text = xmalloc(1 << 20);
    memset(c->text, 'x', (1 << 20) - 1);
    c->text[(1 << 20) - 1] = '\0';
    c->message = xstrdup(c->text);
    xmlDoc *doc = write_valid(&r, &p);
    _cleanup_free_ char *text = doc_query(doc, "//failure");
    check(strlen(text) < 66000);
    check_contains(text, "\n... 983039 bytes left out ...\n");
    _cleanup_free_ char *message = doc_query(doc, "//failure/@message");
    check(strlen(message) < 4200);
    xmlFreeDoc(doc);
    result_deinit(&r);
    place_deinit(&p);
}

static void test_no_locale_spoils_numbers(void)
{
    if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "fr_FR.UTF-8"))
        printf("# no locale with a decimal comma is installed: only the default one is seen\n");
    struct place p;
    place_init(&p);
    struct result r;
    result_init(&r, "id", "app");
    r.finished = true;
    result_add_case(result_add_suite(&r, 1, 1), "T", "t", CASE_PASSED, 1234 * NSEC_PER_SEC + 1);
    xmlDoc *doc = write_valid(&r, &p);
    check_query(doc, "//testcase/@time", "1234.000");
    xmlFreeDoc(doc);
    result_deinit(&r);
    place_deinit(&p);
    setlocale(LC_ALL, "C");
}

/* Ten thousand tests of one name must not take for ever. */
static void test_many_equal_names(void)
{
    struct place p;
    place_init(&p);
    struct result r;
    result_init(&r, "id", "app");
    r.finished = true;
    struct result_suite *s = result_add_suite(&r, 1, 1);
    for (int i = 0; i < 10000; i++)
        result_add_case(s, "T", "t", CASE_PASSED, 0);
    nsec_t start = clock_now();
    xmlDoc *doc = write_valid(&r, &p);
    check(clock_now() - start < 20 * NSEC_PER_SEC);
    check_query(doc, "//testcase[10000]/@name", "t (10000)");
    xmlFreeDoc(doc);
    result_deinit(&r);
    place_deinit(&p);
}

/* Returns whether the write failed with an error, and the old report is whole and alone. */
static bool fails_and_keeps_the_old(int dir, const char *path, const char *reason)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct result r;
    result_init(&r, "id", "app");
    bool first = junit_write(&r, DIALECT_JENKINS, dir, "junit.xml", &err) == 0;

    r.finished = true;
    struct result_suite *s = result_add_suite(&r, 1, 1);
    for (int i = 0; i < 20000; i++)
        result_add_case(s, "a class with a name of some length", "t", CASE_PASSED, 0);
    bool limited = !reason || strcmp(reason, strerror(ENOSPC)) == 0 ||
                   setrlimit(RLIMIT_FSIZE, &(struct rlimit){200000, 200000}) == 0;
    bool second = junit_write(&r, DIALECT_JENKINS, dir, "junit.xml", &err) == 0;
    result_deinit(&r);

    struct place p = {.dir = dir};
    (void)snprintf(p.path, sizeof(p.path), "%s", path);
    xmlDoc *doc = place_parse(&p);
    bool old = doc && schema_validate(doc, JUNIT_10_SCHEMA) == 0;
    xmlFreeDoc(doc);
    bool said = err.message && reason && strstr(err.message, reason);
    bool tidy = faccessat(dir, ".junit.xml.new", F_OK, 0) != 0;
    return first && limited && !second && old && said && tidy;
}

static void test_too_big_a_file_keeps_the_old(void)
{
    struct place p;
    place_init(&p);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        _exit(fails_and_keeps_the_old(p.dir, p.path, strerror(EFBIG)) ? 0 : 1);
    }
    int status = -1;
    check_int(waitpid(child, &status, 0), child);
    check_int(status, 0);
    place_deinit(&p);
}

/* In a mount namespace of its own: 77 where that is not allowed. */
static int on_a_full_disk(const char *path)
{
    if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return 77;
    (void)mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    if (mount("tmpfs", path, "tmpfs", 0, "size=64k") < 0)
        return 77;
    int dir = open(path, O_DIRECTORY | O_CLOEXEC);
    return fails_and_keeps_the_old(dir, path, strerror(ENOSPC)) ? 0 : 1;
}

static void test_a_full_disk_keeps_the_old(void)
{
    struct place p;
    place_init(&p);
    pid_t child = fork();
    if (child == 0)
        _exit(on_a_full_disk(p.path));
    int status = -1;
    check_int(waitpid(child, &status, 0), child);
    if (WEXITSTATUS(status) == 77)
        printf("# may not mount a small file system here: only the size limit was tried\n");
    else
        check_int(status, 0);
    place_deinit(&p);
}

/* The schema is worth something only if it refuses. */
static void test_the_schema_refuses(void)
{
    static const char *const wrong[] = {
        "<testsuites skipped='1'/>",
        "<testsuites><testcase name='a'/></testsuites>",
        "<testsuite name='s' tests='1' failures='0'/>",
        "<testsuite name='s' tests='1' failures='0' errors='0' time='1.2345'/>",
        "<testsuite name='s' tests='1' failures='0' errors='0' time='1,5'/>",
        "<testsuite name='s' tests='1' failures='0' errors='0'><testcase/></testsuite>",
        "<testsuite name='s' tests='1' failures='0' errors='0'><testcase name='a' file='b'/>"
        "</testsuite>",
        "<testsuite name='s' tests='1' failures='0' errors='0'><testcase name='a'><properties/>"
        "</testcase></testsuite>",
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        xmlDoc *doc = xmlReadMemory(wrong[i], (int)strlen(wrong[i]), NULL, NULL, 0);
        check(schema_validate(doc, JUNIT_10_SCHEMA) > 0);
        xmlFreeDoc(doc);
    }
}

int main(void)
{
    libxml_quiet();
    return tap_run((struct tap_test[]){
        TAP(test_hostile_content_is_valid),
        TAP(test_names_are_unique),
        TAP(test_a_suite_has_a_case),
        TAP(test_unfinished_is_an_error),
        TAP(test_output_is_bounded),
        TAP(test_no_locale_spoils_numbers),
        TAP(test_many_equal_names),
        TAP(test_too_big_a_file_keeps_the_old),
        TAP(test_a_full_disk_keeps_the_old),
        TAP(test_the_schema_refuses),
        {0},
    });
}

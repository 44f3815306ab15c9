/* SPDX-License-Identifier: Apache-2.0 */
#include "report/annotate.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "report/directory.h"

#include "tap.h"

#define HOSTILE  "a|b's [x]%\n::error::x\r##teamcity[x] ##[add-mask] </pre>]]>&<b>:\xff\xe2\x82\xac"
#define TC(what) "##teamcity[" what
#define DOG      "\xf0\x9f\x90\x95"

static struct result_case *add(struct result_suite *s, const char *class_name, const char *name,
                               enum case_status status, const char *message, const char *text)
{
    struct result_case *c = result_add_case(s, class_name, name, status, 410 * NSEC_PER_MSEC);
    c->message = message ? xstrdup(message) : NULL;
    c->text = text ? xstrdup(text) : NULL;
    return c;
}

/* Two shards: one with a failed, a skipped and a flaky test, one whose service died. */
static void fill(struct result *r)
{
    result_init(r, "id", "shop");
    r->finished = true;
    r->duration = 5200 * NSEC_PER_MSEC;
    r->tally = (struct result_tally){
        .known = true, .was_planned = true, .planned = 5, .ran = 3, .skipped = 1, .never = 1};
    strvec_push(&r->remarks, "<i>the names</i> of the list are none of the report");

    struct result_suite *s = result_add_suite(r, 1, 2);
    s->duration = 5 * NSEC_PER_SEC;
    add(s, "cleanroom.shard-1", "service redis", CASE_PASSED, NULL, NULL);
    add(s, "cleanroom.shard-1", "test", CASE_FAILED, "exit code 1", NULL);
    struct result_case *c = add(s, "shop.Cart", "test_total", CASE_FAILED, "3 != 4",
                                "Traceback\n  cart.py, 100%\n");
    c->file = xstrdup("./tests/a,b:c.py");
    c->line = 42;
    add(s, "shop.Cart", "test_later", CASE_SKIPPED, "not today", NULL);
    c = add(s, "shop.Cart", "test_time", CASE_PASSED, NULL, NULL);
    c->fresh = true;
    for (int i = 0; i < 2; i++)
        *vec_push(&c->reruns) = (struct result_rerun){.status = CASE_FAILED,
                                                      .duration = 7 * NSEC_PER_MSEC,
                                                      .message = xstrdup(i ? "late" : "early")};
    s = result_add_suite(r, 2, 2);
    s->duration = 6 * NSEC_PER_SEC;
    add(s, "cleanroom.shard-2", "service redis", CASE_ERROR, "ended: signal 11", "Segfault\n");
    add(s, "cleanroom.shard-2", "test", CASE_SKIPPED, "not run", NULL);
}

static void fill_hostile(struct result *r)
{
    result_init(r, "id", "shop");
    struct result_suite *s = result_add_suite(r, 1, 1);
    struct result_case *c = add(s, HOSTILE, HOSTILE, CASE_FAILED, HOSTILE, HOSTILE);
    c->file = xstrdup(HOSTILE);
    c = add(s, "", DOG "\n::error::", CASE_PASSED, NULL, NULL);
    *vec_push(&c->reruns) = (struct result_rerun){.status = CASE_ERROR, .message = xstrdup(DOG)};
}

/* --- the forms ------------------------------------------------------------------------------- */

static void test_github(void)
{
    struct result r;
    fill(&r);
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    annotate_github(&out, &r, 3, "/home/runner/shop");
    check_str(out.buf,
              "::error file=tests/a%2Cb%3Ac.py,line=42,title=shard 1%3A shop.Cart test_total::"
              "3 != 4%0A%0ATraceback%0A  cart.py, 100%25\n"
              "::warning title=shard 1%3A shop.Cart test_time::"
              "flaky: failed twice, passed in a fresh world\n"
              "::error title=shard 2%3A service redis::ended: signal 11%0A%0ASegfault\n");
    result_deinit(&r);
}

static void test_github_paths_are_of_the_checkout(void)
{
    static const char *const files[][2] = {
        {"/home/runner/shop/tests/cart.py", "tests/cart.py"},
        {"/home/runner/shop/./cart.py", "cart.py"},
        {"/home/runner/shop2/cart.py", "/home/runner/shop2/cart.py"},
        {"/app/cart.py", "/app/cart.py"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        struct result r;
        result_init(&r, "id", "shop");
        struct result_case *c = add(result_add_suite(&r, 1, 1), "C", "t", CASE_FAILED, NULL, NULL);
        c->file = xstrdup(files[i][0]);
        _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
        _cleanup_free_ char *want = xasprintf("::error file=%s,title=shard 1%%3A C t::failed\n",
                                              files[i][1]);
        annotate_github(&out, &r, 1, "/home/runner/shop");
        check_str(out.buf, want);
        result_deinit(&r);
    }
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (; (text = strstr(text, word)); text++)
        n++;
    return n;
}

static void test_github_shows_ten(void)
{
    for (size_t failures = 10; failures <= 12; failures++) {
        struct result r;
        result_init(&r, "id", "shop");
        struct result_suite *s = result_add_suite(&r, 1, 1);
        for (size_t i = 0; i < failures; i++)
            add(s, "C", "t", CASE_FAILED, NULL, NULL);
        _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
        annotate_github(&out, &r, 1, NULL);
        check_int(count(out.buf, "::error "), 10);
        _cleanup_free_ char *rest = xasprintf("::error title=cleanroom::and %zu more failures\n",
                                              failures - 9);
        check_int(strstr(out.buf, rest) != NULL, failures > 10);
        result_deinit(&r);
    }
}

/* What is no shard's. */
static void test_errors_of_the_run(void)
{
    struct result r;
    result_init(&r, "id", "shop");
    struct result_suite *s = result_add_suite(&r, 0, 2);
    add(s, "cleanroom", "run", CASE_ERROR, "cannot reach 'docker'", NULL);
    _cleanup_strbuf_ struct strbuf github = STRBUF_INIT, teamcity = STRBUF_INIT;
    annotate_github(&github, &r, 3, NULL);
    annotate_teamcity(&teamcity, &r, s);
    annotate_teamcity_run(&teamcity, &r, 3);
    check_str(github.buf, "::error title=cleanroom%3A run::cannot reach 'docker'\n");
    check_str(teamcity.buf, TC("buildProblem description='cleanroom: run: cannot reach |'docker|''"
                               " identity='cleanroom_0_run']\n"));
    result_deinit(&r);
}

/* Its own words say why a run is red that no test and no service made red. */
static void test_an_exit_code_alone(void)
{
    struct result r;
    result_init(&r, "id", "shop");
    _cleanup_strbuf_ struct strbuf github = STRBUF_INIT, teamcity = STRBUF_INIT;
    annotate_github(&github, &r, 130, NULL);
    annotate_teamcity_run(&teamcity, &r, 130);
    check_str(github.buf, "::error title=cleanroom::exit code 130\n");
    check_str(teamcity.buf, "##teamcity[buildProblem description='cleanroom: exit code 130' "
                            "identity='cleanroom_exit_code']\n");
    strbuf_reset(&github);
    strbuf_reset(&teamcity);
    annotate_github(&github, &r, 0, NULL);
    annotate_teamcity_run(&teamcity, &r, 0);
    check_str(github.buf, "");
    check_str(teamcity.buf, "");
    result_deinit(&r);
}

static void test_teamcity(void)
{
    struct result r;
    fill(&r);
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    for (size_t i = 0; i < r.suites.len; i++)
        annotate_teamcity(&out, &r, &r.suites.items[i]);
    annotate_teamcity_run(&out, &r, 3);
#define FLOW  " flowId='cleanroom-id-1']\n"
#define TEST  " name='shop.Cart.test_total'"
#define LATER " name='shop.Cart.test_later'"
#define TIME  " name='shop.Cart.test_time'"
    check_str(out.buf, TC("testRetrySupport enabled='true']\n") TC("testSuiteStarted name='shop'")
                           FLOW TC("testStarted") TEST FLOW TC("testFailed") TEST
              " message='3 != 4' details='Traceback|n  cart.py, 100%|n'" FLOW TC("testFinished")
                  TEST " duration='410'" FLOW TC("testStarted") LATER FLOW TC("testIgnored") LATER
              " message='not today'" FLOW TC("testFinished") LATER
              " duration='410'" FLOW TC("testStarted") TIME FLOW TC("testFailed") TIME
              " message='early' details=''" FLOW TC("testFinished") TIME
              " duration='7'" FLOW TC("testStarted") TIME FLOW TC("testFailed") TIME
              " message='late' details=''" FLOW TC("testFinished") TIME
              " duration='7'" FLOW TC("testStarted") TIME FLOW TC("testFinished") TIME
              " duration='410'" FLOW TC("testSuiteFinished name='shop'")
                  FLOW TC("buildProblem description='shard 2: service redis: ended: signal 11'"
                          " identity='cleanroom_2_service_redis']\n"));
    result_deinit(&r);
}

static void test_markdown(void)
{
    struct result r;
    fill(&r);
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    annotate_markdown(&out, &r, 3, ANNOTATE_MARKDOWN_MAX);
    check_str(
        out.buf,
        "### cleanroom: 2 shards: 1 failed, 1 in error in 5.20s, exit code 3\n\n"
        "3 tests: 1 passed (1 flaky), 1 failed, 1 skipped\n\n"
        "<details><summary><code>[1] shop.Cart test_total</code>"
        " <code>./tests/a,b:c.py:42</code></summary>\n\n"
        "<pre>3 != 4\n\nTraceback\n  cart.py, 100%\n</pre>\n\n</details>\n\n"
        "<details><summary><code>[2] service redis</code></summary>\n\n"
        "<pre>ended: signal 11\n\nSegfault\n</pre>\n\n</details>\n\n"
        "Flaky: 1\n\n<ul>\n"
        "<li><code>[1] shop.Cart test_time</code> failed twice, passed in a fresh world</li>\n"
        "</ul>\n\n"
        "5 tests planned, 3 ran, each exactly once, 1 skipped, 1 never ran;"
        " not every shard came to its end\n\n"
        "<p>&lt;i&gt;the names&lt;/i&gt; of the list are none of the report</p>\n\n"
        "| shard | | took | tests | passed | failed | skipped |\n"
        "|---:|---|---:|---:|---:|---:|---:|\n"
        "| 1 | failed | 5.00s | 3 | 1 | 1 | 1 |\n"
        "| 2 | error | 6.00s | 0 | 0 | 0 | 0 |\n\n");
    result_deinit(&r);
}

static void test_markdown_is_bounded(void)
{
    struct result r;
    result_init(&r, "id", "shop");
    struct result_suite *s = result_add_suite(&r, 1, 1);
    _cleanup_free_ char *text = xmalloc(100001);
    memset(text, '<', 100000);
    text[100000] = '\0';
    for (int i = 0; i < 200; i++)
        add(s, "C", "t", CASE_FAILED, "m", text);
    for (size_t max = 0; max < 600000; max += 7777) {
        _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
        annotate_markdown(&out, &r, 1, max);
        check(out.len <= max);
        check_int(count(out.buf, "<details>"), count(out.buf, "</details>"));
        check_int(count(out.buf, "<pre>"), count(out.buf, "</pre>"));
    }
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    annotate_markdown(&out, &r, 1, 100000);
    size_t shown = count(out.buf, "<details>");
    _cleanup_free_ char *rest = xasprintf("... and %zu more, all in the report\n", 200 - shown);
    check(shown > 1);
    check_contains(out.buf, rest);
    result_deinit(&r);
}

/* --- what tests could write ------------------------------------------------------------------ */

static void test_github_is_not_commanded(void)
{
    struct result r;
    fill_hostile(&r);
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    annotate_github(&out, &r, 1, NULL);
    /* A line has one command, which ends at the second "::". */
    check_str(out.buf,
              "::error file=a|b's [x]%25,title=shard 1%3A a|b's [x]%25 a|b's [x]%25::a|b's [x]%25"
              "%0A%0Aa|b's [x]%25%0A##teamcity[x] ##[add-mask] </pre>]]>&<b>:\xef\xbf\xbd"
              "\xe2\x82\xac\n"
              "::warning title=shard 1%3A " DOG "::flaky: failed once, passed in the same world\n");
    result_deinit(&r);
}

static void test_teamcity_is_not_commanded(void)
{
    struct result r;
    fill_hostile(&r);
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    annotate_teamcity(&out, &r, &r.suites.items[0]);
    check_int(count(out.buf, "##teamcity["), count(out.buf, "\n"));
#define NAME " name='a||b|'s |[x|]%.a||b|'s |[x|]%'"
    check_contains(out.buf, "\n" TC("testFailed") NAME
                   " message='a||b|'s |[x|]%' details='a||b|'s |[x|]%|n"
                   "##teamcity|[x|] ##|[add-mask|] </pre>|]|]>&<b>:|0xFFFD|0x20AC|n'" FLOW);
    check_contains(out.buf, "\n" TC("testStarted name='|0xD83D|0xDC15'") FLOW);
    check_contains(out.buf, "\n" TC("testFailed name='|0xD83D|0xDC15' message='|0xD83D|0xDC15'"));
    result_deinit(&r);
}

static void test_markdown_is_not_commanded(void)
{
    struct result r;
    fill_hostile(&r);
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    annotate_markdown(&out, &r, 1, ANNOTATE_MARKDOWN_MAX);
    check_contains(out.buf, "<details><summary><code>[1] a|b's [x]% a|b's [x]%</code>"
                            " <code>a|b's [x]%</code></summary>\n\n<pre>a|b's [x]%\n\n"
                            "a|b's [x]%\n##teamcity[x] ##[add-mask] &lt;/pre&gt;]]&gt;&amp;"
                            "&lt;b&gt;:\xef\xbf\xbd\xe2\x82\xac\n</pre>\n\n</details>\n\n");
    result_deinit(&r);
}

/* --- who is told ----------------------------------------------------------------------------- */

static void only(const char *name, const char *value)
{
    static const char *const all[] = {"GITHUB_ACTIONS", "TEAMCITY_VERSION", "BUILDKITE"};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        unsetenv(all[i]);
    if (name)
        setenv(name, value, 1);
}

static void test_detection(void)
{
    only(NULL, NULL);
    check_int(ci_detect(), CI_NONE);
    only("GITHUB_ACTIONS", "true");
    check_int(ci_detect(), CI_GITHUB);
    only("GITHUB_ACTIONS", "false");
    check_int(ci_detect(), CI_NONE);
    only("TEAMCITY_VERSION", "2025.11");
    check_int(ci_detect(), CI_TEAMCITY);
    only("BUILDKITE", "true");
    check_int(ci_detect(), CI_BUILDKITE);
    only(NULL, NULL);
}

struct place {
    char path[64];
    char *said; /* on the console */
    size_t len;
    FILE *out;
    struct console *console;
};

static void place_init(struct place *p)
{
    *p = (struct place){0};
    (void)snprintf(p->path, sizeof(p->path), "/tmp/test-annotate-XXXXXX");
    check(mkdtemp(p->path) != NULL);
    p->out = open_memstream(&p->said, &p->len);
    p->console = console_new(&(struct console_options){.out = p->out, .shards = 2});
}

static void place_deinit(struct place *p)
{
    console_free(p->console);
    fclose(p->out);
    free(p->said);
    check_int(directory_remove(AT_FDCWD, p->path), 0);
}

static char *file_in(const struct place *p, const char *name)
{
    return xasprintf("%s/%s", p->path, name);
}

static char *content(const struct place *p, const char *name)
{
    _cleanup_free_ char *path = file_in(p, name);
    struct strbuf text = STRBUF_INIT;
    check_int(strbuf_read_file(&text, path, 4 << 20), 0);
    return strbuf_detach(&text);
}

static void test_the_step_summary_is_appended_to(void)
{
    struct place p;
    place_init(&p);
    struct result r;
    fill(&r);
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *path = file_in(&p, "summary.md");
    setenv("GITHUB_STEP_SUMMARY", path, 1);
    for (int i = 0; i < 2; i++)
        check_int(annotate_result(CI_GITHUB, &r, 3, p.console, &err), 0);
    _cleanup_free_ char *text = content(&p, "summary.md");
    check_int(count(text, "### cleanroom: 2 shards: 1 failed"), 2);
    check_int(count(p.said, "::error file=tests/a%2Cb%3Ac.py,line=42,"), 2);

    /* GitHub would show nothing of what is longer. */
    check_int(truncate(path, (1 << 20) - 100), 0);
    check_int(annotate_result(CI_GITHUB, &r, 3, p.console, &err), -1);
    check_contains(err.message, "is full");
    error_clear(&err);
    struct stat st;
    check(stat(path, &st) == 0 && st.st_size == (1 << 20) - 100);

    setenv("GITHUB_STEP_SUMMARY", p.path, 1);
    check_int(annotate_result(CI_GITHUB, &r, 3, p.console, &err), -1);
    check_contains(err.message, "cannot open the step summary");
    unsetenv("GITHUB_STEP_SUMMARY");
    result_deinit(&r);
    place_deinit(&p);
}

/* In place of Buildkite's, which needs its server. */
static void write_agent(const struct place *p, const char *body)
{
    _cleanup_free_ char *path = file_in(p, "buildkite-agent");
    FILE *file = fopen(path, "we");
    fprintf(file, "#!/bin/sh\n%s\n", body);
    fclose(file);
    check_int(chmod(path, 0700), 0);
}

static void test_buildkite(void)
{
    struct place p;
    place_init(&p);
    struct result r;
    fill(&r);
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *path = xasprintf("%s:%s", p.path, getenv("PATH"));
    _cleanup_free_ char *before = xstrdup(getenv("PATH"));
    setenv("PATH", path, 1);
    setenv("TEST_PLACE", p.path, 1);
    setenv("BUILDKITE", "true", 1);
    setenv("BUILDKITE_STEP_ID", "4a", 1);
    setenv("BUILDKITE_PARALLEL_JOB", "1", 1);
    write_agent(&p, "printf '%s\\n' \"$@\" >\"$TEST_PLACE/argv\"; cat >\"$TEST_PLACE/page\"");
    annotate_begin(CI_BUILDKITE, 3, p.console);
    check_int(annotate_result(CI_BUILDKITE, &r, 3, p.console, &err), 0);
    _cleanup_free_ char *argv = content(&p, "argv"), *page = content(&p, "page");
    check_str(argv, "annotate\n--style\nerror\n--context\ncleanroom-4a-1\n");
    _cleanup_strbuf_ struct strbuf want = STRBUF_INIT;
    annotate_markdown(&want, &r, 3, ANNOTATE_MARKDOWN_MAX);
    check_str(page, want.buf);
    check_str(p.said, "+++ cleanroom: what failed\n");

    write_agent(&p, "exit 9");
    check_int(annotate_result(CI_BUILDKITE, &r, 0, p.console, &err), -1);
    check_contains(err.message, "buildkite-agent' failed: exit code 9");
    error_clear(&err);
    setenv("PATH", before, 1);
    check_int(annotate_result(CI_BUILDKITE, &r, 3, p.console, &err), 0);
    only(NULL, NULL);
    result_deinit(&r);
    place_deinit(&p);
}

/* It is waited for, but not for ever. */
static void test_programs_have_a_deadline(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *sh = process_find_program("sh");
    check_int(process_feed((const char *const[]){sh, "-c", "test \"$(cat)\" = fed", NULL}, "fed", 3,
                           30 * NSEC_PER_SEC, &err),
              0);
    check_int(process_feed((const char *const[]){sh, "-c", "exec sleep 1000", NULL}, "", 0,
                           50 * NSEC_PER_MSEC, &err),
              -1);
    check_int(err.kind, ERROR_TIMEOUT);
    check_contains(err.message, "did not end within 50ms");
    error_clear(&err);
    check_int(process_feed((const char *const[]){sh, "-c", "kill -9 $$", NULL}, "", 0,
                           30 * NSEC_PER_SEC, &err),
              -1);
    check_contains(err.message, "failed: signal 9");
    error_clear(&err);
    check_int(process_feed((const char *const[]){"/nowhere", NULL}, "", 0, NSEC_PER_SEC, &err), -1);
    check_contains(err.message, "cannot run '/nowhere': No such file");
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_github),
        TAP(test_github_paths_are_of_the_checkout),
        TAP(test_github_shows_ten),
        TAP(test_errors_of_the_run),
        TAP(test_an_exit_code_alone),
        TAP(test_teamcity),
        TAP(test_markdown),
        TAP(test_markdown_is_bounded),
        TAP(test_github_is_not_commanded),
        TAP(test_teamcity_is_not_commanded),
        TAP(test_markdown_is_not_commanded),
        TAP(test_detection),
        TAP(test_the_step_summary_is_appended_to),
        TAP(test_buildkite),
        TAP(test_programs_have_a_deadline),
        {0},
    });
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "report/journal.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <jansson.h>

#include <cleanroom/strbuf.h>

#include "report/directory.h"
#include "report/facts.h"

#include "tap.h"

struct place {
    char path[64];
    char *results;
};

static void place_init(struct place *p)
{
    (void)snprintf(p->path, sizeof(p->path), "/tmp/test-journal-XXXXXX");
    check(mkdtemp(p->path) != NULL);
    p->results = xasprintf("%s/deep/er/results", p->path);
}

static void place_deinit(struct place *p)
{
    check_int(directory_remove(AT_FDCWD, p->path), 0);
    free(p->results);
}

static bool exists(int dir, const char *name)
{
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void touch(int dir, const char *name)
{
    _cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    check(fd >= 0);
}

static json_t *load(int dir)
{
    _cleanup_close_ int fd = openat(dir, "run.json", O_RDONLY | O_CLOEXEC);
    return json_loadfd(fd, 0, NULL);
}

static const char *text_of(const json_t *value, const char *key)
{
    return json_string_value(json_object_get(value, key));
}

static void test_every_state_and_its_time(void)
{
    struct place p;
    place_init(&p);
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_close_ int dir = results_open(p.results, &err);
    struct journal *j = journal_new(dir, "0123456789ab");
    check_int(journal_write(j, false, 0, &err), 0);
    json_t *root = load(dir);
    check_str(text_of(root, "run"), "0123456789ab");
    check(json_is_false(json_object_get(root, "finished")));
    check(json_object_get(root, "exit_code") == NULL);
    json_decref(root);

    journal_fact(j, "image", "old");
    journal_fact(j, "image", "myapp@sha256:1f");
    journal_fact(j, "run", "must not replace ours");
    journal_state(j, "shard 2", "SERVICES", NULL);
    journal_state(j, "shard 2 postgres", "FAILED", "said \x1b[1m\xff");
    check_int(journal_write(j, true, 3, &err), 0);
    journal_free(j);

    root = load(dir);
    check(json_is_true(json_object_get(root, "finished")));
    check_int(json_integer_value(json_object_get(root, "exit_code")), 3);
    check_str(text_of(root, "image"), "myapp@sha256:1f");
    check_str(text_of(root, "run"), "0123456789ab");
    const json_t *events = json_object_get(root, "events");
    check_int(json_array_size(events), 2);
    const json_t *first = json_array_get(events, 0), *second = json_array_get(events, 1);
    check_str(text_of(first, "subject"), "shard 2");
    check_str(text_of(first, "state"), "SERVICES");
    check(text_of(first, "detail") == NULL);
    check_int(strlen(text_of(first, "time")), 24);
    check_str(text_of(second, "detail"), "said \xef\xbf\xbd");
    check(json_real_value(json_object_get(second, "at")) >=
          json_real_value(json_object_get(first, "at")));
    json_decref(root);
    place_deinit(&p);
}

static void test_an_earlier_run_is_cleared(void)
{
    struct place p;
    place_init(&p);
    _cleanup_error_ struct error err = ERROR_INIT;
    int dir = results_open(p.results, &err);
    check(dir >= 0);
    struct journal *j = journal_new(dir, "id");
    check_int(journal_write(j, true, 0, &err), 0);
    journal_free(j);
    touch(dir, "junit.xml");
    touch(dir, ".junit.xml.new");
    touch(dir, "janitor.log");
    touch(dir, "mine.txt");
    touch(dir, "shard-x");
    close(results_create(dir, 12, "app.log", &err));
    check_int(mkdirat(dir, "shard-12/xml", 0755), 0);
    check_int(symlinkat("../../mine.txt", dir, "shard-12/xml/link"), 0);
    check_int(symlinkat("..", dir, "shard-12/up"), 0);
    close(dir);

    dir = results_open(p.results, &err);
    check_str(err.message, NULL);
    check(!exists(dir, "junit.xml") && !exists(dir, "run.json") && !exists(dir, "janitor.log"));
    check(!exists(dir, "shard-12") && !exists(dir, ".junit.xml.new"));
    check(exists(dir, "mine.txt") && exists(dir, "shard-x"));
    close(dir);
    place_deinit(&p);
}

static void test_what_is_not_ours_stays(void)
{
    struct place p;
    place_init(&p);
    _cleanup_error_ struct error err = ERROR_INIT;
    int dir = results_open(p.results, &err);
    touch(dir, "junit.xml");
    touch(dir, "thesis.tex");
    check_int(results_open(p.results, &err), -1);
    check_contains(err.message, "not empty and not ours");
    check_contains(err.message, "'thesis.tex'");
    check_int(err.kind, ERROR_CONFIG);
    check(exists(dir, "junit.xml") && exists(dir, "thesis.tex"));

    /* Somebody else's run.json is no licence either. */
    error_clear(&err);
    _cleanup_close_ int fd = openat(dir, "run.json", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    check_int(write(fd, "{\"run\": 1}", 10), 10);
    check_int(results_open(p.results, &err), -1);
    check(exists(dir, "junit.xml"));
    close(dir);
    place_deinit(&p);
}

/* What is made of files that are below the directory leaves them there. */
static void test_inputs_below(void)
{
    struct place p;
    place_init(&p);
    _cleanup_error_ struct error err = ERROR_INIT;
    int dir = results_open(p.results, &err);
    for (int shard = 1; shard <= 2; shard++)
        close(results_create(dir, shard, "junit.xml", &err));
    touch(dir, "run.txt");
    _cleanup_strvec_ struct strvec inputs = STRVEC_INIT;
    strvec_pushf(&inputs, "%s/shard-1/junit.xml", p.results);
    strvec_push(&inputs, "/etc/passwd");
    check_int(results_open_beside(p.results, &inputs, &err), -1);
    check_contains(err.message, "it holds 'run.txt'");
    check(exists(dir, "shard-2"));

    error_clear(&err);
    strvec_pushf(&inputs, "%s/shard-1/../run.txt", p.results);
    int again = results_open_beside(p.results, &inputs, &err);
    check(again >= 0);
    check(exists(dir, "shard-1/junit.xml") && exists(dir, "run.txt") && !exists(dir, "shard-2"));
    close(again);

    strvec_pushf(&inputs, "%s/junit.xml", p.results);
    check_int(results_open_beside(p.results, &inputs, &err), -1);
    check_contains(err.message, "would take its place");
    close(dir);
    place_deinit(&p);
}

static void test_killed_before_its_journal(void)
{
    struct place p;
    place_init(&p);
    _cleanup_error_ struct error err = ERROR_INIT;
    int dir = results_open(p.results, &err);
    touch(dir, "junit.xml");
    close(dir);
    dir = results_open(p.results, &err);
    check(dir >= 0);
    check(!exists(dir, "junit.xml"));
    close(dir);
    place_deinit(&p);
}

static void test_no_directory(void)
{
    struct place p;
    place_init(&p);
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *file = xasprintf("%s/file", p.path);
    touch(AT_FDCWD, file);
    check_int(results_open(file, &err), -1);
    check_contains(err.message, "Not a directory");
    error_clear(&err);
    check_int(results_open("", &err), -1);
    place_deinit(&p);
}

static void test_files_of_a_shard(void)
{
    struct place p;
    place_init(&p);
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_close_ int dir = results_open(p.results, &err);
    int fd = results_create(dir, 3, "app.log", &err);
    check_int(write(fd, "x", 1), 1);
    check(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    check(exists(dir, "shard-3/app.log"));
    close(results_create(dir, 0, "janitor.log", &err));
    check(exists(dir, "janitor.log"));

    check_int(results_create(dir, 3, "../up", &err), -1);
    error_clear(&err);
    check_int(symlinkat("/etc", dir, "shard-4"), 0);
    check_int(results_create(dir, 4, "app.log", &err), -1);
    check_contains(err.message, "cannot write 'shard-4/app.log'");
    place_deinit(&p);
}

/* One failed test, 2000 flaky ones, in one shard. */
static void fill(struct result *r)
{
    result_init(r, "0123456789ab", "shop");
    r->tally = (struct result_tally){.known = true,
                                     .was_planned = true,
                                     .complete = true,
                                     .planned = 2002,
                                     .ran = 2001,
                                     .never = 1};
    struct result_suite *s = result_add_suite(r, 1, 1);
    s->duration = 1500 * NSEC_PER_MSEC;
    result_add_case(s, "cleanroom.shard-1", "test", CASE_FAILED, 0);
    struct result_case *c = result_add_case(s, "shop.Cart", "test_total", CASE_FAILED, 0);
    c->message = xstrdup("3 != \xff\nmore");
    c->file = xstrdup("cart.py");
    c->line = 42;
    for (int i = 0; i < 2000; i++) {
        c = result_add_case(s, "shop.Cart", "test_time", CASE_PASSED, 0);
        *vec_push(&c->reruns) = (struct result_rerun){.status = CASE_FAILED};
        c->fresh = true;
    }
    result_add_suite(r, 0, 1);
}

static void check_json(const json_t *root, const char *key, const char *want)
{
    _cleanup_free_ char *got = json_dumps(json_object_get(root, key), JSON_COMPACT);
    check_str(got, want);
}

static void test_tests_and_shards(void)
{
    struct place p;
    place_init(&p);
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_close_ int dir = results_open(p.results, &err);
    struct journal *j = journal_new(dir, "0123456789ab");
    struct result r;
    fill(&r);
    journal_result(j, &r, (const int[]){1, -1});
    check_int(journal_write(j, true, 1, &err), 0);
    journal_free(j);
    result_deinit(&r);

    json_t *root = load(dir);
#define COUNTS                                                                                     \
    "\"tests\":2001,\"passed\":2000,\"failed\":1,\"errors\":0,\"skipped\":0,\"flaky\":2000}"
    check_json(root, "tests", "{" COUNTS);
    check_json(root, "shards",
               "[{\"shard\":1,\"verdict\":\"failed\",\"exit_code\":1,\"seconds\":1.5," COUNTS "]");
    check_json(root, "proof",
               "{\"complete\":true,\"planned\":2002,\"ran\":2001,\"skipped\":0,\"doubled\":0,"
               "\"never\":1}");
    check_json(root, "failed",
               "[{\"shard\":1,\"class\":\"shop.Cart\",\"name\":\"test_total\",\"file\":\"cart.py\","
               "\"line\":42,\"message\":\"3 != \xef\xbf\xbd\"}]");
    json_t *flaky = json_object_get(root, "flaky"), *first = json_object();
    check_int(json_array_size(flaky), FACTS_TESTS_MAX);
    (void)json_object_set(first, "first", json_array_get(flaky, 0));
    check_json(first, "first",
               "{\"shard\":1,\"class\":\"shop.Cart\",\"name\":\"test_time\",\"failures\":1,"
               "\"fresh\":true}");
    json_decref(first);
    json_decref(root);
    place_deinit(&p);
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_every_state_and_its_time),
        TAP(test_an_earlier_run_is_cleared),
        TAP(test_what_is_not_ours_stays),
        TAP(test_inputs_below),
        TAP(test_killed_before_its_journal),
        TAP(test_no_directory),
        TAP(test_files_of_a_shard),
        TAP(test_tests_and_shards),
        {0},
    });
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets which tests: whatever the split, each is handed out once. */
#include "run/division.h"

#include <stdlib.h>
#include <unistd.h>

#include <cleanroom/strbuf.h>

#include "base/file.h"
#include "split/planfile.h"
#include "tap.h"

#define OPTIONS_MAX 16
#define SHARDS_MAX  8
#define TESTS       8
#define LIST                                                                                       \
    "t/a.py::X::one\nt/a.py::X::two\nt/a.py::three\nt/b.py::Y::one\nt/b.py::Y::two\n"              \
    "t/b.py::four[1]\nt/b.py::four[2]\nt/c.py::five\n"
#define ALL                                                                                        \
    "t/a.py::X::one t/a.py::X::two t/a.py::three t/b.py::Y::one t/b.py::Y::two t/b.py::four[1] "   \
    "t/b.py::four[2] t/c.py::five"

/* --- a run, without containers ---------------------------------------------------------------- */

struct scene {
    struct settings settings;
    struct plan plan;
    struct division d;
    struct error err;
};

static void scene_deinit(struct scene *s)
{
    division_deinit(&s->d);
    plan_deinit(&s->plan);
    settings_deinit(&s->settings);
    error_clear(&s->err);
}
#define _cleanup_scene_ _cleanup_(scene_deinit)

/* options: name, value, name, value ... NULL. */
static void load(struct scene *s, const char *const *options)
{
    struct cli_value cli[OPTIONS_MAX];
    size_t count = 0;
    *s = (struct scene){0};
    for (; options[0]; options += 2)
        cli[count++] = (struct cli_value){options[0], options[1]};
    const struct settings_input in = {.image = "app",
                                      .cli = cli,
                                      .cli_count = count,
                                      .no_user_config = true,
                                      .directory = "/nonexistent/shop"};
    check_int(settings_load(&s->settings, &in, &s->err), 0);
    check_str(s->err.message, NULL);
}

/* Returns what division_init() does. */
static int divide(struct scene *s)
{
    check_int(plan_make(&s->plan, &s->settings, NULL, &s->err), 0);
    return division_init(&s->d, &s->plan, &s->err);
}

#define BEGIN(s, ...)                                                                              \
    do {                                                                                           \
        load(s, (const char *const[]){__VA_ARGS__, NULL});                                         \
        check_int(divide(s), 0);                                                                   \
        check_str((s)->err.message, NULL);                                                         \
    } while (0)

/* As the first shard's runner prints it. */
static int list(struct scene *s, const char *text)
{
    _cleanup_free_ char *copy = xstrdup(text);
    division_list(&s->d);
    return division_listed(&s->d, copy, strlen(copy), &s->err);
}

static void listed(struct scene *s)
{
    check_int(list(s, LIST), 0);
    check_str(s->err.message, NULL);
}

/* The names of a shard's next part; release with free(). NULL: there is none. */
static char *next(struct scene *s, int shard)
{
    struct part part;
    bool some = division_next(&s->d, shard, &part);
    char *names = !some ? NULL : part.whole ? xstrdup("whole") : strvec_join(&part.names, " ");
    check(some || part.names.len == 0);
    part_deinit(&part);
    return names;
}

static void check_next(struct scene *s, int shard, const char *want)
{
    _cleanup_free_ char *got = next(s, shard);
    check_str(got, want);
}

/* All parts of this machine's shards, in turns as shards come that are equally fast. Returns how
   many there were. */
static size_t take_all(struct scene *s, struct strvec *names)
{
    size_t parts = 0, before;
    int first = s->plan.first_shard + 1, end = first + s->plan.shard_count;
    do {
        before = parts;
        for (int shard = first; shard < end; shard++) {
            _cleanup_free_ char *part = next(s, shard);
            parts += part != NULL;
            if (part)
                strvec_split(names, part, " ");
        }
    } while (parts > before && parts <= TESTS);
    return parts;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Release with free(). */
static char *sorted(struct strvec *names)
{
    if (names->len)
        qsort(names->items, names->len, sizeof(*names->items), compare_names);
    return strvec_join(names, " ");
}

static void check_names(struct strvec *names, const char *want)
{
    _cleanup_free_ char *got = sorted(names);
    check_str(got, want);
}

/* A file with a path. */
struct paper {
    int fd;
    char *path;
};

static void write_paper(struct paper *p, const char *text)
{
    p->fd = file_in_memory(text, strlen(text));
    check(p->fd >= 0);
    p->path = xasprintf("/proc/self/fd/%d", p->fd);
}

static void paper_deinit(struct paper *p)
{
    close(p->fd);
    free(p->path);
}
#define _cleanup_paper_ _cleanup_(paper_deinit)

/* --- each once -------------------------------------------------------------------------------- */

static const char *const slices[] = {"1/2", "2/2"};
static const char *const splits[] = {"list", "timings", "queue"};

static const struct {
    const char *granularity, *names;
} grains[] = {
    {"test", ALL},
    {"class", "t/a.py::X t/a.py::three t/b.py::Y t/b.py::four t/c.py::five"},
    {"file", "t/a.py t/b.py t/c.py"},
};

static void check_each_once(const char *split, size_t grain, int shards)
{
    _cleanup_scene_ struct scene s;
    _cleanup_strvec_ struct strvec names = STRVEC_INIT;
    _cleanup_free_ char *count = xasprintf("%d", shards);
    BEGIN(&s, "runner", "pytest", "split", split, "shards", count, "granularity",
          grains[grain].granularity, "timings", "/nonexistent/timings");
    check_int(s.d.state, DIVISION_UNLISTED);
    listed(&s);
    (void)take_all(&s, &names);
    check_names(&names, grains[grain].names);
    check(!division_has_more(&s.d));
}

static void test_each_once(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(splits); i++)
        for (size_t k = 0; k < ARRAY_SIZE(grains); k++)
            for (int shards = 1; shards <= SHARDS_MAX; shards += 1 + (shards > 3) * 4)
                check_each_once(splits[i], k, shards);
}

/* --fail-fast: what nobody has yet, nobody gets. */
static void test_nothing_after_the_end(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(splits); i++) {
        _cleanup_scene_ struct scene s;
        BEGIN(&s, "runner", "pytest", "split", splits[i], "shards", "2");
        listed(&s);
        _cleanup_free_ char *first = next(&s, 1);
        check(first != NULL);
        division_end(&s.d, "a test failed");
        check_next(&s, 1, NULL);
        check_next(&s, 2, NULL);
        check(!division_has_more(&s.d));
    }
}

/* By their variables: one part for each, that names nothing. */
static void test_env(void)
{
    _cleanup_scene_ struct scene s;
    BEGIN(&s, "shards", "2");
    check_int(s.d.state, DIVISION_READY);
    for (int shard = 2; shard > 0; shard--) {
        check_next(&s, shard, "whole");
        check_next(&s, shard, NULL);
    }
    check(!division_has_more(&s.d));
}

static void test_by_number(void)
{
    _cleanup_scene_ struct scene s;
    BEGIN(&s, "runner", "pytest", "shards", "2");
    listed(&s);
    check_next(&s, 2, "t/b.py::Y::two t/b.py::four[1] t/b.py::four[2] t/c.py::five");
    check_next(&s, 1, "t/a.py::X::one t/a.py::X::two t/a.py::three t/b.py::Y::one");
    check_next(&s, 1, NULL);
}

static void test_more_shards_than_tests(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(splits); i++) {
        _cleanup_scene_ struct scene s;
        _cleanup_strvec_ struct strvec names = STRVEC_INIT;
        BEGIN(&s, "runner", "pytest", "split", splits[i], "shards", "5");
        check_int(list(&s, "t/a.py::one\nt/a.py::two\n"), 0);
        check_int(take_all(&s, &names), 2);
        check_names(&names, "t/a.py::one t/a.py::two");
    }
}

static void test_no_tests(void)
{
    _cleanup_scene_ struct scene s;
    BEGIN(&s, "runner", "pytest", "shards", "2");
    check_int(list(&s, "\n"), -1);
    check_contains(s.err.message, "no test");
    check_int(s.d.list.tests.len, 0);
    division_end(&s.d, "the tests could not be listed");
    division_end(&s.d, "and then more");
    check_str(s.d.why, "the tests could not be listed");
    check_next(&s, 1, NULL);
    check_next(&s, 2, NULL);
}

/* --- durations -------------------------------------------------------------------------------- */

#define LONG_FIVE                                                                                  \
    "cleanroom timings 1\n10\tt.a.X.one\n10\tt.a.X.two\n10\tt.a.three\n10\tt.b.Y.one\n"            \
    "10\tt.b.Y.two\n10\tt.b.four[1]\n10\tt.b.four[2]\n70\tt.c.five\n"

static void test_by_time(void)
{
    _cleanup_paper_ struct paper p;
    _cleanup_scene_ struct scene s;
    write_paper(&p, LONG_FIVE);
    BEGIN(&s, "runner", "pytest", "split", "timings", "timings", p.path, "shards", "2");
    check(s.d.remembers);
    listed(&s);
    check_next(&s, 1, "t/c.py::five");
}

/* Nobody has named the runner: which of the names of a list reports have shows in what was learned.
   What is long comes first out of a queue. */
static void test_durations_of_an_unknown_runner(void)
{
    _cleanup_paper_ struct paper p;
    _cleanup_scene_ struct scene s;
    write_paper(&p, LONG_FIVE);
    BEGIN(&s, "list", "test --list", "split", "queue", "timings", p.path, "shards", "2");
    check_int(s.d.method.naming, NAMING_PLAIN);
    listed(&s);
    check_int(s.d.method.naming, NAMING_PYTEST);
    check_next(&s, 2, "t/c.py::five");
}

/* An earlier report does as well, and is not written over. */
static void test_durations_of_a_report(void)
{
    _cleanup_paper_ struct paper p;
    _cleanup_scene_ struct scene s;
    write_paper(&p, " <testsuite><testcase classname='t.a.X' name='one' time='9'/></testsuite>");
    BEGIN(&s, "runner", "pytest", "split", "timings", "timings", p.path);
    check(!s.d.remembers);
    check_int(timings_of(&s.d.timings, NAMING_PYTEST, "t.a.X.one"), 9000);
}

static void test_files_that_are_wrong(void)
{
    _cleanup_paper_ struct paper p;
    write_paper(&p, "7 minutes\n");
    const struct {
        const char *flag, *path, *why;
    } rows[] = {
        {"timings", "/", "cannot read '/'"},
        {"timings", p.path, "the timings do not begin with"},
        {"list-file", "/nonexistent/list", "cannot read the list of tests '/nonexistent/list'"},
        {"list-file", "/dev/null", "no test"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_scene_ struct scene s;
        load(&s, (const char *const[]){"runner", "pytest", "split", "timings", rows[i].flag,
                                       rows[i].path, NULL});
        check_int(divide(&s), -1);
        check_int(s.err.kind, ERROR_CONFIG);
        check_contains(s.err.message, rows[i].path);
        check_contains(s.err.message, rows[i].why);
    }
}

static void test_list_file(void)
{
    _cleanup_paper_ struct paper p;
    _cleanup_scene_ struct scene s;
    _cleanup_strvec_ struct strvec names = STRVEC_INIT;
    write_paper(&p, LIST);
    BEGIN(&s, "runner", "pytest", "list-file", p.path, "shards", "3");
    check_int(s.d.state, DIVISION_READY);
    check_int(take_all(&s, &names), 3);
    check_names(&names, ALL);
}

/* --- chance ----------------------------------------------------------------------------------- */

static char *in_random_order(const char *split, const char *seed, uint64_t *chosen)
{
    _cleanup_scene_ struct scene s;
    BEGIN(&s, "runner", "pytest", "split", split, "order", "random", "seed", seed);
    *chosen = s.d.seed;
    listed(&s);
    _cleanup_strvec_ struct strvec names = STRVEC_INIT;
    (void)take_all(&s, &names);
    char *order = strvec_join(&names, " ");
    check_names(&names, ALL);
    return order;
}

static void test_a_seed_is_an_order(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(splits); i++) {
        uint64_t seed;
        _cleanup_free_ char *once = in_random_order(splits[i], "7", &seed);
        check_int(seed, 7);
        _cleanup_free_ char *again = in_random_order(splits[i], "7", &seed);
        _cleanup_free_ char *other = in_random_order(splits[i], "8", &seed);
        check_str(again, once);
        check(strcmp(other, once) != 0);
        check(strcmp(once, ALL) != 0);
    }
}

/* What was chosen can be said, and gives the same. */
static void test_a_seed_is_chosen(void)
{
    uint64_t chosen, said;
    _cleanup_free_ char *once = in_random_order("list", "0", &chosen);
    check(chosen > 0 && chosen < 1000000000);
    _cleanup_free_ char *text = xasprintf("%llu", (unsigned long long)chosen);
    _cleanup_free_ char *again = in_random_order("list", text, &said);
    check_str(again, once);
}

/* --- machines --------------------------------------------------------------------------------- */

/* What is planned is what is handed out. */
static void check_slice(struct scene *s, struct strvec *all)
{
    _cleanup_strvec_ struct strvec names = STRVEC_INIT, wanted = STRVEC_INIT;
    struct test_list mine = TEST_LIST_INIT;
    check(division_planned(&s->d, &mine));
    for (size_t i = 0; i < mine.tests.len; i++)
        strvec_push(&wanted, mine.tests.items[i].id);
    vec_deinit(&mine.tests);
    (void)take_all(s, &names);
    strvec_append(all, &names);
    check(names.len > 0 && names.len < TESTS);
    _cleanup_free_ char *planned = sorted(&wanted);
    check_names(&names, planned);
}

/* Each machine lists and cuts for itself. */
static void test_slices(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(splits); i++) {
        _cleanup_strvec_ struct strvec all = STRVEC_INIT;
        for (size_t k = 0; k < ARRAY_SIZE(slices); k++) {
            _cleanup_scene_ struct scene s;
            BEGIN(&s, "runner", "pytest", "split", splits[i], "shards", "3", "slice", slices[k]);
            listed(&s);
            check_slice(&s, &all);
        }
        check_names(&all, ALL);
    }
}

/* One has listed and cut for all: what the machines would cut by themselves does not matter. */
static void check_planned(const char *plan, size_t slice, struct strvec *all)
{
    _cleanup_scene_ struct scene s;
    _cleanup_planfile_ struct planfile file = PLANFILE_INIT;
    load(&s, (const char *const[]){"slice", slices[slice], NULL});
    replace_str(&s.settings.plan_input, plan);
    check_int(planfile_read(&file, plan, &s.err), 0);
    check_int(planfile_settle(&file, &s.settings, &s.err), 0);
    check_int(divide(&s), 0);
    check_str(s.err.message, NULL);
    check_int(s.d.state, DIVISION_READY);
    check_str(s.d.plan_id, file.id);
    check_slice(&s, all);
}

static void check_slices_of_a_plan(const char *split, const char *path)
{
    _cleanup_scene_ struct scene s;
    _cleanup_planfile_ struct planfile file = PLANFILE_INIT;
    _cleanup_strvec_ struct strvec all = STRVEC_INIT;
    const struct image_info image = {.id = (char *)"sha256:aa"};
    BEGIN(&s, "runner", "pytest", "split", split, "shards", "3", "order", "random");
    listed(&s);
    planfile_init(&file, &s.plan);
    planfile_set_images(&file, &s.plan, &image);
    file.seed = (int64_t)s.d.seed;
    planfile_set_units(&file, &s.d.list, s.d.method.naming, s.d.method.granularity, false,
                       &s.d.units, s.d.shard_of);
    check_int(planfile_write(&file, path, &s.err), 0);
    for (size_t i = 0; i < ARRAY_SIZE(slices); i++)
        check_planned(path, i, &all);
    check_names(&all, ALL);
}

static void test_slices_of_a_plan(void)
{
    char directory[] = "/tmp/cleanroom-division-XXXXXX";
    check(mkdtemp(directory) != NULL);
    _cleanup_free_ char *path = xasprintf("%s/plan.json", directory);
    for (size_t i = 0; i < ARRAY_SIZE(splits); i++)
        check_slices_of_a_plan(splits[i], path);
    check_int(unlink(path), 0);
    check_int(rmdir(directory), 0);
}

/* Of other machines' tests nobody knows which they ran, when each runner chose for itself. */
static void test_planned(void)
{
    struct test_list mine = TEST_LIST_INIT;
    _cleanup_scene_ struct scene alone, one, none;
    BEGIN(&alone, "split", "env", "shards", "2", "list", "test --list", "list-format", "pytest");
    check(!division_planned(&alone.d, &mine));
    listed(&alone);
    check(division_planned(&alone.d, &mine));
    check_int(mine.tests.len, TESTS);
    BEGIN(&one, "split", "env", "shards", "2", "list", "test --list", "list-format", "pytest",
          "slice", "1/2");
    listed(&one);
    check(!division_planned(&one.d, &mine));
    BEGIN(&none, "shards", "2");
    check(!division_planned(&none.d, &mine));
    vec_deinit(&mine.tests);
}

/* --- again ------------------------------------------------------------------------------------ */

/* What was recorded, as it was: whatever the order and the split that are asked for. */
static void test_replay(void)
{
    static const char *const recorded[] = {"b", "a", "", "z y"};
    _cleanup_strvec_ struct strvec given = STRVEC_INIT;
    _cleanup_scene_ struct scene s;
    for (size_t i = 0; i < ARRAY_SIZE(recorded); i++)
        strvec_push(&given, recorded[i]);
    load(&s, (const char *const[]){"runner", "pytest", "split", "queue", "shards", "3", "order",
                                   "random", NULL});
    s.settings.only_shard = 2;
    s.settings.given = &given;
    check_int(divide(&s), 0);
    check_int(s.d.state, DIVISION_READY);
    check(division_has_more(&s.d));
    check_next(&s, 2, "b a");
    division_spent(&s.d, 2, NSEC_PER_SEC);
    check(division_has_more(&s.d));
    check_next(&s, 2, "z y");
    check(!division_has_more(&s.d));
    check_next(&s, 2, NULL);
}

/* A shard that was handed no names had its variables. */
static void test_replay_by_variables(void)
{
    _cleanup_scene_ struct scene s;
    load(&s, (const char *const[]){"shards", "3", NULL});
    s.settings.only_shard = 2;
    check_int(divide(&s), 0);
    check_next(&s, 2, "whole");
    check_next(&s, 2, NULL);
}

static void report(struct result_suite *suite, const char *classname, const char *name,
                   enum case_status status)
{
    (void)result_add_case(suite, classname, name, status, 0);
}

/* Only what failed, as this runner wants it to be named, and each once. */
static void test_what_failed(void)
{
    static const char *const want[] = {"t/a.py::X::two t/b.py::Y::one", "t/a.py::X t/b.py::Y",
                                       "t/a.py t/b.py"};
    for (size_t i = 0; i < ARRAY_SIZE(grains); i++) {
        _cleanup_scene_ struct scene s;
        _cleanup_strvec_ struct strvec names = STRVEC_INIT;
        struct result r;
        result_init(&r, "id", "app");
        struct result_suite *suite = result_add_suite(&r, 1, 1);
        report(suite, "t.a.X", "one", CASE_PASSED);
        report(suite, "t.a.X", "two", CASE_FAILED);
        report(suite, "t.b.Y", "one", CASE_ERROR);
        report(suite, "t.b.Y", "one", CASE_ERROR);
        report(suite, "t.c", "five", CASE_SKIPPED);
        BEGIN(&s, "runner", "pytest", "granularity", grains[i].granularity);
        check(!division_failed(&s.d, suite, &names)); /* not listed: nobody knows their names */
        listed(&s);
        check(division_failed(&s.d, suite, &names));
        check_names(&names, want[i]);

        report(suite, "t.gone", "test", CASE_FAILED);
        check(!division_failed(&s.d, suite, &names));
        check_names(&names, want[i]);
        result_deinit(&r);
    }
}

/* --- who lists -------------------------------------------------------------------------------- */

struct waiter {
    struct division_ticket ticket;
    struct division *d;
    int calls;
    bool lists; /* it begins to, when it may */
};

static void called(void *data)
{
    struct waiter *w = data;
    w->calls++;
    if (w->lists && w->d->state == DIVISION_UNLISTED)
        division_list(w->d);
}

static void begin_waiting(struct waiter *w, struct scene *s, bool lists)
{
    *w = (struct waiter){.d = &s->d, .lists = lists};
    division_wait(&s->d, &w->ticket, called, w);
}

static void test_one_lists_for_all(void)
{
    _cleanup_scene_ struct scene s;
    struct waiter first, second, third, left;
    BEGIN(&s, "runner", "pytest", "shards", "4");
    begin_waiting(&first, &s, true);
    begin_waiting(&second, &s, true);
    begin_waiting(&third, &s, true);
    begin_waiting(&left, &s, true);
    check_int(first.calls, 1);
    check_int(second.calls + third.calls + left.calls, 0);
    division_leave(&s.d, &left.ticket);
    division_leave(&s.d, &first.ticket);

    /* The first cannot: one of the others does, and the last waits for it. */
    division_unlisted(&s.d);
    check_int(s.d.state, DIVISION_LISTING);
    check_int(second.calls + third.calls, 1);
    listed(&s);
    check_int(s.d.state, DIVISION_READY);
    check_int(second.calls + third.calls, 2);
    check_int(second.calls, 1);
    check_int(left.calls, 0);
    division_unlisted(&s.d); /* whose turn is over */
    check_int(s.d.state, DIVISION_READY);
}

static void test_the_end_wakes_all(void)
{
    _cleanup_scene_ struct scene s;
    struct waiter first, second;
    BEGIN(&s, "runner", "pytest", "shards", "2");
    begin_waiting(&first, &s, true);
    begin_waiting(&second, &s, true);
    division_end(&s.d, "a test failed, and --fail-fast");
    check_int(second.calls, 1);
    check_next(&s, 2, NULL);
}

/* --- words ------------------------------------------------------------------------------------ */

static void check_words(const char *runner, const char *split, const char *want)
{
    _cleanup_scene_ struct scene s;
    _cleanup_strvec_ struct strvec words = STRVEC_INIT;
    struct part part;
    BEGIN(&s, "runner", runner, "split", split, "shards", "2");
    if (s.d.state == DIVISION_UNLISTED)
        check_int(list(&s, "a::one\nb::two\n"), 0);
    check(division_next(&s.d, 2, &part));
    check_int(division_words(&s.d, &part, 2, "/r.xml", "/names", &words, &s.err), 0);
    part_deinit(&part);
    _cleanup_free_ char *got = strvec_join(&words, " ");
    check_str(got, want);
}

static void test_words(void)
{
    check_words("pytest", "list", "test b::two --junitxml=/r.xml");
    check_words("pytest", "env", "test --junitxml=/r.xml");
    check_words("jest", "env", "test --shard=2/2"); /* its report needs a plugin */
    check_words("jest", "list", "test --runTestsByPath b::two");
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_each_once),
        TAP(test_nothing_after_the_end),
        TAP(test_env),
        TAP(test_by_number),
        TAP(test_more_shards_than_tests),
        TAP(test_no_tests),
        TAP(test_by_time),
        TAP(test_durations_of_an_unknown_runner),
        TAP(test_durations_of_a_report),
        TAP(test_files_that_are_wrong),
        TAP(test_list_file),
        TAP(test_a_seed_is_an_order),
        TAP(test_a_seed_is_chosen),
        TAP(test_slices),
        TAP(test_slices_of_a_plan),
        TAP(test_planned),
        TAP(test_replay),
        TAP(test_replay_by_variables),
        TAP(test_what_failed),
        TAP(test_one_lists_for_all),
        TAP(test_the_end_wakes_all),
        TAP(test_words),
        {0},
    });
}

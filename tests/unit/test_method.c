/* SPDX-License-Identifier: Apache-2.0 */
/* Settings and what is known of runners, put together: how tests are listed and handed out. */
#include "split/method.h"
#include "tap.h"

#include <string.h>

#define OPTIONS_MAX 6

struct asked {
    struct settings s;
    struct method m;
    struct error err;
};

static void asked_deinit(struct asked *a)
{
    method_deinit(&a->m);
    settings_deinit(&a->s);
    error_clear(&a->err);
}
#define _cleanup_asked_ _cleanup_(asked_deinit)

/* options: name, value, name, value ... NULL. Returns what method_make() does. */
static int ask(struct asked *a, const char *const *options)
{
    struct cli_value cli[OPTIONS_MAX];
    size_t count = 0;
    *a = (struct asked){0};
    for (; options[0]; options += 2)
        cli[count++] = (struct cli_value){options[0], options[1]};
    const struct settings_input in = {.image = "app",
                                      .cli = cli,
                                      .cli_count = count,
                                      .no_user_config = true,
                                      .directory = "/dev/null"};
    if (!check_int(settings_load(&a->s, &in, &a->err), 0))
        return -1;
    return method_make(&a->m, &a->s, &a->err);
}

#define ASK(a, ...) ask(a, (const char *const[]){__VA_ARGS__, NULL})

/* The words of the list, or those by which a part is handed out. Release with free(). */
static char *list_words(const struct asked *a)
{
    _cleanup_strvec_ struct strvec test = STRVEC_INIT, words = STRVEC_INIT;
    strvec_push(&test, "test");
    strvec_push(&test, "-x");
    method_list_words(&a->m, &a->s, &test, &words);
    return strvec_join(&words, " ");
}

static void test_a_runner_is_all_one_writes(void)
{
    _cleanup_asked_ struct asked a;
    check_int(ASK(&a, "runner", "pytest"), 0);
    check_int(a.m.split, SPLIT_LIST);
    check(a.m.listed && !a.m.by_files);
    check_int(a.m.format, LIST_PYTEST);
    check_int(a.m.naming, NAMING_PYTEST);
    check_str(a.m.form.words[0], "{test}");
    _cleanup_free_ char *words = list_words(&a);
    check_str(words, "test -x --collect-only -q");
}

/* With a flag or variables of its own it divides by itself, unless it is told otherwise. */
static void test_who_divides(void)
{
    static const struct {
        const char *runner, *split;
        enum split_mode want;
        bool listed;
    } rows[] = {
        {"jest", NULL, SPLIT_ENV, false},    {"gtest", NULL, SPLIT_ENV, false},
        {"django", NULL, SPLIT_LIST, true},  {"jest", "queue", SPLIT_QUEUE, true},
        {"pytest", "env", SPLIT_ENV, false}, {"ctest", "timings", SPLIT_TIMINGS, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_asked_ struct asked a;
        int r = rows[i].split ? ASK(&a, "runner", rows[i].runner, "split", rows[i].split)
                              : ASK(&a, "runner", rows[i].runner);
        check_int(r, 0);
        check_int(a.m.split, rows[i].want);
        check_int(a.m.listed, rows[i].listed);
    }
}

static void test_without_a_runner(void)
{
    _cleanup_asked_ struct asked a;
    check_int(ASK(&a, "split", "list", "list", "test --list", "part", "'--only={tests}' -q"), 0);
    check(a.m.preset == NULL && a.m.listed);
    check_int(a.m.format, LIST_PLAIN);
    check_str(a.m.form.words[0], "--only={tests}");
    check_str(a.m.form.words[1], "-q");
    check(a.m.form.words[2] == NULL);
    _cleanup_free_ char *words = list_words(&a);
    check_str(words, "test --list");
}

/* A format says whose names they are. */
static void test_a_format(void)
{
    _cleanup_asked_ struct asked a;
    check_int(ASK(&a, "list", "test --list", "list-format", "go"), 0);
    check_int(a.m.split, SPLIT_ENV);
    check(a.m.listed);
    check_int(a.m.format, LIST_GO);
    check_int(a.m.naming, NAMING_GO);
}

/* Retries need names, and so a list; where there is none to be had, all of a shard runs again. */
static void test_retries_list(void)
{
    _cleanup_asked_ struct asked with, without;
    check_int(ASK(&with, "runner", "jest", "retries", "1"), 0);
    check(with.m.listed);
    check_int(ASK(&without, "retries", "1"), 0);
    check(!without.m.listed);
}

static void test_files(void)
{
    char found[] = "./tests/test_b.py\n./tests/a/test_a.py\n";
    _cleanup_asked_ struct asked a;
    _cleanup_test_list_ struct test_list list = TEST_LIST_INIT;
    check_int(ASK(&a, "runner", "unittest", "granularity", "file"), 0);
    check(a.m.by_files);
    check_int(a.m.granularity, GRANULARITY_TEST);
    _cleanup_free_ char *words = list_words(&a);
    check(strncmp(words, "/bin/sh -c exec find . ", 23) == 0);
    check(strstr(words, "-name 'test*.py'") != NULL);
    check_int(method_read_list(&a.m, &list, found, strlen(found), &a.err), 0);
    check_int(list.tests.len, 2);
    check_str(list.tests.items[0].id, "tests.a.test_a");
    check_str(list.tests.items[1].id, "tests.test_b");
}

static void test_what_does_not_fit(void)
{
    static const struct {
        const char *options[OPTIONS_MAX + 1];
        const char *want;
    } rows[] = {
        {{"runner", "pytset"}, "--runner: unknown runner 'pytset', did you mean 'pytest'?"},
        {{"split", "queue"}, "--split: the tests have to be listed for that: "},
        {{"list", "a", "list-file", "b"}, "--list-file: there is 'list' too; keep one of them"},
        {{"runner", "jest", "granularity", "test"},
         "--granularity: runner 'jest' cannot be handed a part by test; use file"},
        {{"list", "a", "list-format", "gi"}, "--list-format: unknown format 'gi'"},
        {{"reader", "tab"}, "--reader: unknown reader 'tab', did you mean 'tap'?"},
        {{"reports", "a/*.xml"}, "--reports: 'a/*.xml' is to begin with '/'"},
        {{"retries", "1", "repeat", "2"}, "--retries: tests are repeated to see them fail"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_asked_ struct asked a;
        check_int(ask(&a, rows[i].options), -1);
        check_int(a.err.kind, ERROR_CONFIG);
        tap_check(a.err.message && strncmp(a.err.message, rows[i].want, strlen(rows[i].want)) == 0,
                  __FILE__, __LINE__, "got '%s', want '%s...'", a.err.message, rows[i].want);
    }
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_a_runner_is_all_one_writes),
        TAP(test_who_divides),
        TAP(test_without_a_runner),
        TAP(test_a_format),
        TAP(test_retries_list),
        TAP(test_files),
        TAP(test_what_does_not_fit),
        {0},
    });
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/log.h>
#include <cleanroom/strbuf.h>

#include "cli/help.h"
#include "cli/invocation.h"

#include "tap.h"

/* A command line cut at its spaces, and what became of it. */
struct line {
    struct strvec argv;
    struct invocation inv;
    struct error err;
};

static int parse(struct line *l, const char *text)
{
    *l = (struct line){0};
    strvec_push(&l->argv, "cleanroom");
    strvec_split(&l->argv, text, " ");
    return invocation_parse(&l->inv, (int)l->argv.len, l->argv.items, &l->err);
}

static void line_deinit(struct line *l)
{
    invocation_deinit(&l->inv);
    strvec_deinit(&l->argv);
    error_clear(&l->err);
}
#define _cleanup_line_ _cleanup_(line_deinit)

/* "shards=4 deploy=true": all values in their order; release with free(). */
static char *values(const struct line *l)
{
    struct strbuf sb = STRBUF_INIT;
    for (size_t i = 0; i < l->inv.values.len; i++)
        strbuf_addf(&sb, "%s%s=%s", i ? " " : "", l->inv.values.items[i].said.name,
                    l->inv.values.items[i].said.value);
    return strbuf_detach(&sb);
}

static void check_values(const char *text, const char *want)
{
    _cleanup_line_ struct line l;
    check_int(parse(&l, text), 0);
    check_str(l.err.message, NULL);
    _cleanup_free_ char *got = values(&l);
    check_str(got, want);
}

static void check_refused(const char *text, const char *message)
{
    _cleanup_line_ struct line l;
    check_int(parse(&l, text), -1);
    check_int(l.err.kind, ERROR_USAGE);
    check_str(l.err.message, message);
}

static void test_values_in_every_spelling(void)
{
    check_values("--shards 4 img", "shards=4");
    check_values("--shards=4 img", "shards=4");
    check_values("-n 4 img", "shards=4");
    check_values("-n4 img", "shards=4");
    check_values("img -qn4", "quiet=true shards=4");
    check_values("img --deploy --no-deploy --deploy=false",
                 "deploy=true deploy=false deploy=false");
    check_values("--deploy once img", "deploy=once");
    check_values("--deploy=once img", "deploy=once");
    check_values("--quiet once", "quiet=true");
    check_values("-v img -v --verbose -v", "verbose=1 verbose=2 verbose=2 verbose=2");
    check_values("-vv img", "verbose=1 verbose=2");
    check_values("--results= img", "results=");
    check_values("--results=--deploy img", "results=--deploy");
    check_values("--results - img", "results=-");
    check_values("--redis.db_index 3 --postgres.environment.A=b=c img",
                 "redis.db_index=3 postgres.environment.A=b=c");
    check_values("--start_limit 2 --application_id x img", "start-limit=2 application-id=x");
    check_values("-e A=1 --environment B=2 --no-user-config -f x.yaml img",
                 "environment=A=1 environment=B=2 no-user-config=true file=x.yaml");
}

static void test_words_and_what_follows_them(void)
{
    _cleanup_line_ struct line l;
    check_int(parse(&l, "--shards 4 myapp --deploy -- test -v -- x"), 0);
    check_str(l.inv.command->name, "run");
    check(!l.inv.named);
    check_int(l.inv.words.len, 1);
    check_str(l.inv.words.items[0], "myapp");
    check_str(l.inv.args[0], "test");
    check_str(l.inv.args[2], "--");
    check_str(l.inv.args[3], "x");
    check(l.inv.args[4] == NULL);
}

static void test_the_first_word_may_be_a_command(void)
{
    static const struct {
        const char *text, *command, *word;
    } rows[] = {
        {"plan myapp", "plan", "myapp"}, {"-n 4 plan myapp", "plan", "myapp"},
        {"run plan", "run", "plan"},     {"plan", "plan", NULL},
        {"myapp", "run", "myapp"},       {"", "run", NULL},
        {"help run", "help", "run"},     {"recycle abc", "recycle", "abc"},
        {"planet", "run", "planet"},     {"version --help", "version", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_line_ struct line l;
        check_int(parse(&l, rows[i].text), 0);
        check_str(l.inv.command->name, rows[i].command);
        check_str(l.inv.words.len ? l.inv.words.items[0] : NULL, rows[i].word);
        check(l.inv.args == NULL);
    }
}

static void test_what_is_refused(void)
{
    check_refused("--shard 4 img",
                  "--shard: 'cleanroom run' does not take it, did you mean '--shards'?");
    check_refused("--no-results img", "unknown option '--no-results', did you mean '--results'?");
    check_refused("-n4z -qZ img", "unknown option '-Z'; see 'cleanroom --help'");
    check_refused("--shards", "--shards: a value is missing");
    check_refused("-n", "--shards: a value is missing");
    check_refused("--shards --deploy img", "--shards: a value is missing");
    check_refused("--redis.port", "--redis.port: a value is missing");
    check_refused("--help=x", "--help: it takes no value");
    check_refused("--no-deploy=x img", "--no-deploy: it takes no value");
    check_refused("a b", "'b' follows the image 'a': put arguments for the tests after '--'");
    check_refused("rnu a", "there is no command 'rnu', did you mean 'run'?");
    check_refused("recycle --redis.port 1", "--redis.port: 'cleanroom recycle' does not take it");
    check_refused("plan --dry-run img", "--dry-run: 'cleanroom plan' does not take it");
    check_refused("help a b", "'b' is one word too many for 'cleanroom help'");
    check_refused("version -- x", "'cleanroom version' takes nothing after '--'");
}

static void test_the_command_gets_its_own(void)
{
    _cleanup_line_ struct line l;
    check_int(parse(&l, "recycle --host a --host b --dry-run"), 0);
    check_str(invocation_get(&l.inv, "host"), "b");
    check_str(invocation_get(&l.inv, "dry-run"), "true");
    check_str(invocation_get(&l.inv, "file"), NULL);
}

static void test_settings_of_a_command_line(void)
{
    _cleanup_line_ struct line l;
    check_int(parse(&l, "-n 3 -vvv --no-user-config -f /dev/null img -e A=b -- x y"), 0);
    _cleanup_(settings_deinit) struct settings s;
    _cleanup_error_ struct error err = ERROR_INIT;
    check_int(invocation_settings(&l.inv, &s, &err), 0);
    check_str(err.message, NULL);
    check_str(s.image.value, "img");
    check_int(s.own.shards, 3);
    check_int(s.own.verbose, 2);
    check(log_enabled(LOG_TRACE));
    log_set_level(LOG_WARNING);
    check_int(s.environment.len, 1);
    check_int(s.test_args.len, 2);
    check_str(s.test_args.items[1], "y");
}

/* A flag means the same whatever the command: they are parsed before it is known. */
static void test_the_tables_agree(void)
{
    struct option_table all = {0};
    for (size_t i = 0; i < command_count; i++) {
        _cleanup_(option_table_deinit) struct option_table table = {0};
        command_options(&commands[i], &table);
        for (size_t k = 0; k < table.len; k++) {
            const struct option_def *known = option_by_flag(&all, table.items[k].flag);
            check(!known || (known->kind == table.items[k].kind &&
                             known->short_flag == table.items[k].short_flag &&
                             known->is_setting == table.items[k].is_setting));
            const struct option_def *other = option_by_short(&all, table.items[k].short_flag);
            check(!other || strcmp(other->flag, table.items[k].flag) == 0);
            check((table.items[k].kind == OPTION_TEXT) == (table.items[k].argument != NULL));
        }
        option_table_add(&all, table.items, table.len);
    }
    for (size_t i = 0; i < setting_def_count; i++)
        check(option_by_flag(&all, setting_defs[i].flag) != NULL);
    option_table_deinit(&all);
}

/* Every option of a command stands in its help, once, and nothing is wider than a terminal. */
static void test_help_holds_the_table(void)
{
    for (size_t i = 0; i < command_count; i++) {
        _cleanup_free_ char *text = NULL;
        size_t len = 0;
        FILE *f = open_memstream(&text, &len);
        help_print(&commands[i], f);
        fclose(f);

        _cleanup_(option_table_deinit) struct option_table table = {0};
        command_options(&commands[i], &table);
        for (size_t k = 0; k < table.len; k++)
            check_contains(text, table.items[k].flag);
        check_contains(text, commands[i].doc);

        _cleanup_strvec_ struct strvec lines = STRVEC_INIT;
        strvec_split(&lines, text, "\n");
        size_t options = 0;
        for (size_t k = 0; k < lines.len; k++) {
            tap_check(strlen(lines.items[k]) <= 80, __FILE__, __LINE__, "too wide: '%s'",
                      lines.items[k]);
            options += strncmp(lines.items[k], "  -", 3) == 0 ||
                       strncmp(lines.items[k], "      --", 8) == 0;
        }
        check_int(options, table.len);
    }
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_values_in_every_spelling),
        TAP(test_words_and_what_follows_them),
        TAP(test_the_first_word_may_be_a_command),
        TAP(test_what_is_refused),
        TAP(test_the_command_gets_its_own),
        TAP(test_settings_of_a_command_line),
        TAP(test_the_tables_agree),
        TAP(test_help_holds_the_table),
        {0},
    });
}

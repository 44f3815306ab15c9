/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/invocation.h"

#include <errno.h>
#include <string.h>

#include <cleanroom/log.h>

struct parser {
    struct invocation *inv;
    struct option_table options; /* of all commands: which one is meant may be said last */
    char *const *next;           /* the word to come */
    struct error *err;
};

static void parser_init(struct parser *p, struct invocation *inv, char *const *words,
                        struct error *err)
{
    *p = (struct parser){.inv = inv, .next = words, .err = err};
    for (size_t i = 0; i < command_count; i++)
        command_options(&commands[i], &p->options);
}

static void parser_deinit(struct parser *p)
{
    option_table_deinit(&p->options);
}

static const char *own(struct invocation *inv, char *text)
{
    strvec_take(&inv->owned, text);
    return text;
}

static void add_value(struct parser *p, const char *flag, const char *value, bool is_setting)
{
    *vec_push(&p->inv->values) = (struct invocation_value){{flag, value}, is_setting};
}

/* The word after an option. What begins with two dashes is more likely the next option than a
   value; --x=--y says that it is one. */
static const char *take_next(struct parser *p)
{
    const char *word = *p->next;
    if (!word || strncmp(word, "--", 2) == 0)
        return NULL;
    p->next++;
    return word;
}

static int add_counted(struct parser *p, const struct option_def *option)
{
    int64_t count = 1;
    for (size_t i = 0; i < p->inv->values.len; i++)
        count += p->inv->values.items[i].said.name == option->flag;
    if (count > option->max)
        count = option->max;
    add_value(p, option->flag, own(p->inv, xasprintf("%lld", (long long)count)), true);
    return 0;
}

/* The next word, if it is one of those that may follow this option. */
static const char *take_name(struct parser *p, const struct option_def *option)
{
    for (const char *const *name = option->names; name && *name && *p->next; name++)
        if (strcmp(*name, *p->next) == 0)
            return take_next(p);
    return NULL;
}

/* An option that needs no value; attached is what stood behind "=", or NULL. */
static int take_bare(struct parser *p, const struct option_def *option, const char *attached,
                     bool negated)
{
    if (attached && (option->kind != OPTION_BOOL || negated))
        return error_set(p->err, ERROR_USAGE, "--%s%s: it takes no value", negated ? "no-" : "",
                         option->flag);
    if (option->kind == OPTION_COUNT)
        return add_counted(p, option);
    if (!attached && !negated)
        attached = take_name(p, option);
    if (!attached)
        attached = negated ? "false" : "true";
    add_value(p, option->flag, attached, option->is_setting);
    return 0;
}

static int take_text(struct parser *p, const char *flag, const char *attached, bool is_setting)
{
    const char *value = attached ? attached : take_next(p);
    if (!value)
        return error_set(p->err, ERROR_USAGE, "--%s: a value is missing", flag);
    add_value(p, flag, value, is_setting);
    return 0;
}

static const char *nearest_option(const struct option_table *table, const char *flag)
{
    _cleanup_free_ const char **flags = xcalloc(table->len, sizeof(*flags));
    for (size_t i = 0; i < table->len; i++)
        flags[i] = table->items[i].flag;
    return nearest_name(flag, flags, table->len);
}

static int unknown_option(const struct parser *p, const char *flag)
{
    const char *nearest = nearest_option(&p->options, flag);
    if (nearest)
        return error_set(p->err, ERROR_USAGE, "unknown option '--%s', did you mean '--%s'?", flag,
                         nearest);
    return error_set(p->err, ERROR_USAGE, "unknown option '--%s'; see 'cleanroom --help'", flag);
}

/* --flag, --flag=value; word is without its dashes. */
static int take_long(struct parser *p, const char *word)
{
    const char *equals = strchr(word, '=');
    const char *attached = equals ? equals + 1 : NULL;
    const char *flag = own(p->inv,
                           equals ? xstrndup(word, (size_t)(equals - word)) : xstrdup(word));
    if (strchr(flag, '.'))
        return take_text(p, flag, attached, true);

    const struct option_def *option = option_by_flag(&p->options, flag);
    bool negated = false;
    if (!option && strncmp(flag, "no-", 3) == 0) {
        option = option_by_flag(&p->options, flag + 3);
        negated = option && option->kind == OPTION_BOOL;
        option = negated ? option : NULL;
    }
    if (!option)
        return unknown_option(p, flag);
    if (option->kind == OPTION_TEXT)
        return take_text(p, option->flag, attached, option->is_setting);
    return take_bare(p, option, attached, negated);
}

/* -n4, -n 4, -qv; word is without its dash. */
static int take_short(struct parser *p, const char *word)
{
    for (; *word; word++) {
        const struct option_def *option = option_by_short(&p->options, *word);
        if (!option)
            return error_set(p->err, ERROR_USAGE, "unknown option '-%c'; see 'cleanroom --help'",
                             *word);
        if (option->kind == OPTION_TEXT)
            return take_text(p, option->flag, word[1] ? word + 1 : NULL, option->is_setting);
        if (take_bare(p, option, NULL, false) < 0)
            return -1;
    }
    return 0;
}

static int take_word(struct parser *p, const char *word)
{
    struct invocation *inv = p->inv;
    const struct command *command = command_find(word);
    if (command && !inv->named && inv->words.len == 0) {
        inv->command = command;
        inv->named = true;
        return 0;
    }
    *vec_push(&inv->words) = word;
    return 0;
}

static int take_all(struct parser *p)
{
    while (*p->next) {
        bool rest = p->inv->command->passes_rest && p->inv->words.len;
        const char *word = *p->next++;
        int r;
        if (rest && strcmp(word, "--") != 0)
            p->next--;
        if (rest || strcmp(word, "--") == 0) {
            p->inv->args = (const char *const *)p->next;
            return 0;
        }
        if (strncmp(word, "--", 2) == 0)
            r = take_long(p, word + 2);
        else if (word[0] == '-' && word[1])
            r = take_short(p, word + 1);
        else
            r = take_word(p, word);
        if (r < 0)
            return -1;
    }
    return 0;
}

/* These two every command takes. */
static bool is_universal(const char *flag)
{
    return strcmp(flag, "help") == 0 || strcmp(flag, "version") == 0;
}

static int check_options(const struct invocation *inv, struct error *err)
{
    _cleanup_(option_table_deinit) struct option_table table = {0};
    command_options(inv->command, &table);
    for (size_t i = 0; i < inv->values.len; i++) {
        const char *flag = inv->values.items[i].said.name;
        const char *row = strchr(flag, '.') ? OPTION_DOTTED : flag;
        if (is_universal(flag) || option_by_flag(&table, row))
            continue;
        const char *nearest = nearest_option(&table, flag);
        return error_set(err, ERROR_USAGE, "--%s: 'cleanroom %s' does not take it%s%s%s", flag,
                         inv->command->name, nearest ? ", did you mean '--" : "",
                         nearest ? nearest : "", nearest ? "'?" : "");
    }
    return 0;
}

static int too_many_words(const struct invocation *inv, struct error *err)
{
    const char *extra = inv->words.items[inv->command->max_words];
    if (!inv->command->takes_args)
        return error_set(err, ERROR_USAGE, "'%s' is one word too many for 'cleanroom %s'", extra,
                         inv->command->name);

    const char *image = inv->words.items[0];
    const char *nearest = inv->named ? NULL : command_nearest(image);
    if (nearest)
        return error_set(err, ERROR_USAGE, "there is no command '%s', did you mean '%s'?", image,
                         nearest);
    return error_set(err, ERROR_USAGE,
                     "'%s' follows the image '%s': put arguments for the tests after '--'", extra,
                     image);
}

static int check_words(const struct invocation *inv, struct error *err)
{
    if (invocation_get(inv, "help") || invocation_get(inv, "version"))
        return 0;
    if (inv->words.len > inv->command->max_words)
        return too_many_words(inv, err);
    if (inv->args && !inv->command->takes_args)
        return error_set(err, ERROR_USAGE, "'cleanroom %s' takes nothing after '--'",
                         inv->command->name);
    return 0;
}

int invocation_parse(struct invocation *inv, int argc, char *const *argv, struct error *err)
{
    *inv = (struct invocation){.command = &commands[0]};
    if (argc < 1)
        return 0;

    _cleanup_(parser_deinit) struct parser p;
    parser_init(&p, inv, argv + 1, err);
    if (take_all(&p) < 0)
        return -1;
    if (check_options(inv, err) < 0)
        return -1;
    return check_words(inv, err);
}

void invocation_deinit(struct invocation *inv)
{
    vec_deinit(&inv->words);
    vec_deinit(&inv->values);
    strvec_deinit(&inv->owned);
}

const char *invocation_get(const struct invocation *inv, const char *flag)
{
    for (size_t i = inv->values.len; i-- > 0;)
        if (strcmp(inv->values.items[i].said.name, flag) == 0)
            return inv->values.items[i].said.value;
    return NULL;
}

int invocation_settings(const struct invocation *inv, struct settings *out, struct error *err)
{
    static const enum log_level levels[] = {LOG_WARNING, LOG_DEBUG, LOG_TRACE};
    *out = (struct settings){0};
    _cleanup_free_ char *directory = get_current_dir_name();
    if (!directory)
        return error_set_errno(err, ERROR_USAGE, errno, "cannot tell the current directory");

    _cleanup_free_ struct cli_value *cli = xcalloc(inv->values.len, sizeof(*cli));
    size_t count = 0;
    for (size_t i = 0; i < inv->values.len; i++)
        if (inv->values.items[i].is_setting)
            cli[count++] = inv->values.items[i].said;

    const struct settings_input in = {
        .image = inv->words.len ? inv->words.items[0] : NULL,
        .test_args = inv->args,
        .cli = cli,
        .cli_count = count,
        .project_file = invocation_get(inv, "file"),
        .no_user_config = invocation_get(inv, "no-user-config"),
        .environ = (const char *const *)environ,
        .directory = directory,
    };
    if (settings_load(out, &in, err) < 0)
        return -1;
    log_set_level(levels[out->own.verbose]);
    return 0;
}

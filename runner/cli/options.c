/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include "config/own.h"

static const struct option_def common[] = {
    {.flag = "services",
     .short_flag = 's',
     .group = SETTING_GROUP_SERVICES,
     .argument = "LIST",
     .doc = "as postgres,redis, instead of the file's",
     .is_setting = true},
    {.flag = OPTION_DOTTED,
     .group = SETTING_GROUP_SERVICES,
     .argument = "VALUE",
     .doc = "as --postgres.image postgres:16",
     .is_setting = true},
    {.flag = "environment",
     .short_flag = 'e',
     .group = SETTING_GROUP_SERVICES,
     .argument = "K=V",
     .doc = "a variable for the app; once for each",
     .is_setting = true},
    {.flag = "file",
     .short_flag = 'f',
     .group = SETTING_GROUP_CONFIG,
     .argument = "FILE",
     .doc = "the project file, instead of ./forklift.yaml"},
    {.flag = "application-id",
     .group = SETTING_GROUP_CONFIG,
     .argument = "NAME",
     .doc = "instead of the directory's name",
     .is_setting = true},
    {.flag = "no-user-config",
     .kind = OPTION_SWITCH,
     .group = SETTING_GROUP_CONFIG,
     .doc = "ignore the files in your home, as if CI=true"},
    {.flag = "help",
     .short_flag = 'h',
     .kind = OPTION_SWITCH,
     .group = SETTING_GROUP_OUTPUT,
     .doc = "this text"},
    {.flag = "version", .kind = OPTION_SWITCH, .group = SETTING_GROUP_OUTPUT, .doc = "the version"},
};

static enum option_kind kind_of(const struct setting_def *def)
{
    if (def->argument)
        return OPTION_TEXT;
    return def->type == SETTING_INT ? OPTION_COUNT : OPTION_BOOL;
}

static struct option_def from_setting(const struct setting_def *def)
{
    return (struct option_def){
        .flag = def->flag,
        .short_flag = def->short_flag,
        .kind = kind_of(def),
        .group = def->group,
        .argument = def->argument,
        .doc = def->doc,
        .is_setting = true,
        .fallback = def->fallback,
        .names = def->names,
        .max = def->max,
    };
}

static void add_group(struct option_table *table, enum setting_group group)
{
    for (size_t i = 0; i < setting_def_count; i++) {
        const struct option_def row = from_setting(&setting_defs[i]);
        if (row.group == group)
            option_table_add(table, &row, 1);
    }
    for (size_t i = 0; i < ARRAY_SIZE(common); i++)
        if (common[i].group == group)
            option_table_add(table, &common[i], 1);
}

void option_table_add_groups(struct option_table *table, unsigned groups)
{
    for (unsigned group = 0; group < SETTING_GROUPS; group++)
        if (groups & 1u << group)
            add_group(table, group);
}

void option_table_add_settings(struct option_table *table, const char *const *flags)
{
    for (; flags && *flags; flags++) {
        const struct option_def row = from_setting(own_by_flag(*flags));
        option_table_add(table, &row, 1);
    }
}

void option_table_add(struct option_table *table, const struct option_def *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!option_by_flag(table, rows[i].flag))
            *vec_push(table) = rows[i];
}

void option_table_deinit(struct option_table *table)
{
    vec_deinit(table);
}

static bool same_flag(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if ((*a == '_' ? '-' : *a) != *b)
            return false;
    return *a == *b;
}

const struct option_def *option_by_flag(const struct option_table *table, const char *flag)
{
    for (size_t i = 0; i < table->len; i++)
        if (same_flag(flag, table->items[i].flag))
            return &table->items[i];
    return NULL;
}

const struct option_def *option_by_short(const struct option_table *table, char short_flag)
{
    for (size_t i = 0; i < table->len; i++)
        if (short_flag && table->items[i].short_flag == short_flag)
            return &table->items[i];
    return NULL;
}

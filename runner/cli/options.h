/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options as data: from these rows come parsing and --help, and completion can come from them too.
 *
 * The rows of our own settings are made from setting_defs[], where each is spelled once.
 */
#ifndef CLEANROOM_OPTIONS_H
#define CLEANROOM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include <cleanroom/vec.h>

#include "config/settings.h"

enum option_kind {
    OPTION_TEXT,   /* --x VALUE, --x=VALUE */
    OPTION_BOOL,   /* --x, --no-x, --x=false, and --x NAME if it has names */
    OPTION_SWITCH, /* --x */
    OPTION_COUNT,  /* --x, and again */
};

struct option_def {
    const char *flag; /* without dashes */
    char short_flag;  /* or 0 */
    enum option_kind kind;
    enum setting_group group;
    const char *argument; /* TEXT: "FILE" in help */
    const char *doc;      /* one line */
    bool is_setting;      /* its value is for settings_load(), not for the command */

    /* Of settings. */
    const char *fallback;     /* or NULL */
    const char *const *names; /* the possible values, or NULL */
    int64_t max;              /* COUNT: where counting ends */
};

/* --postgres.port: every option with a dot in it is one, and takes a value. */
#define OPTION_DOTTED "SERVICE.KEY"

struct option_table {
    struct option_def *items;
    size_t len, cap;
};

/* Appends the rows of the groups whose bits (1 << SETTING_GROUP_...) are set, in help's order. */
void option_table_add_groups(struct option_table *table, unsigned groups);
/* The rows of these settings; NULL-terminated, or NULL. */
void option_table_add_settings(struct option_table *table, const char *const *flags);
/* Appends rows whose flags are not there yet. */
void option_table_add(struct option_table *table, const struct option_def *rows, size_t count);
void option_table_deinit(struct option_table *table);

/* NULL when there is none. Underscores count as dashes: Forklift has --application_id. */
const struct option_def *option_by_flag(const struct option_table *table, const char *flag);
const struct option_def *option_by_short(const struct option_table *table, char short_flag);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command line, taken apart: which command, its options, its words, and what follows "--".
 *
 * Options may stand before and after words. The first word is the command if there is one of that
 * name, else the default command is meant and the word is its own.
 */
#ifndef CLEANROOM_INVOCATION_H
#define CLEANROOM_INVOCATION_H

#include <stdbool.h>

#include <cleanroom/error.h>
#include <cleanroom/vec.h>

#include "cli/command.h"
#include "config/settings.h"

struct invocation_value {
    struct cli_value said;
    bool is_setting;
};

struct invocation {
    const struct command *command;
    bool named;                          /* the command's name was written */
    VEC(const char *) words;             /* without the command's name */
    const char *const *args;             /* after "--"; NULL when there was none */
    VEC(struct invocation_value) values; /* in their order */
    struct strvec owned;                 /* texts that are not argv's */
};

/* argv must outlive *inv, which is to be released also after a failure. */
int invocation_parse(struct invocation *inv, int argc, char *const *argv, struct error *err);
void invocation_deinit(struct invocation *inv);

/* The last value of an option of the command's own, or NULL. A switch that was given has "true". */
const char *invocation_get(const struct invocation *inv, const char *flag);

/* Loads the settings for this process: its directory, environment, files and the options given.
   Sets the log's level. */
int invocation_settings(const struct invocation *inv, struct settings *out, struct error *err);

#endif

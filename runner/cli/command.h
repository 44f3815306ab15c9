/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command is: a row in commands[] and a file cmd_NAME.c.
 */
#ifndef CLEANROOM_COMMAND_H
#define CLEANROOM_COMMAND_H

#include <stdio.h>

#include <cleanroom/error.h>

#include "cli/options.h"

struct invocation;

struct command {
    const char *name;
    const char *synopsis;        /* what follows the name in "Usage:" */
    const char *doc;             /* what it does, a line of at most 60 columns */
    unsigned groups;             /* the options it takes: bits of 1 << SETTING_GROUP_... */
    const char *const *settings; /* and single ones of other groups, NULL-terminated; or NULL */
    const struct option_def *options; /* further ones, its own */
    size_t option_count;
    size_t max_words; /* besides its name */
    bool takes_args;  /* after "--" */
    bool passes_rest; /* all that follows its first word is such arguments, "--" or not */

    /* Returns the exit code. *err is set when there is something to say about it. */
    int (*run)(const struct invocation *inv, FILE *out, struct error *err);
};

/* The first one is meant when none is named. */
extern const struct command commands[];
extern const size_t command_count;

/* NULL when there is none of that name. */
const struct command *command_find(const char *name);
/* The nearest name, or NULL. */
const char *command_nearest(const char *name);

/* Its own options and those of its groups. */
void command_options(const struct command *command, struct option_table *out);

#endif

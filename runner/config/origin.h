/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a value came from: a place in a file, a flag, or a variable. What is wrong with it is said
 * in those words, and `cleanroom plan` shows them.
 */
#ifndef CLEANROOM_ORIGIN_H
#define CLEANROOM_ORIGIN_H

#include <cleanroom/error.h>

#include "config/yaml.h"

/* Borrows; made on the stack for one call. */
struct origin {
    const struct yaml_node *node; /* in a file, or NULL */
    const char *name;             /* "--shards", "CLEANROOM_SHARDS" when node is NULL */
    enum error_kind kind;         /* of errors when node is NULL: ERROR_USAGE or ERROR_CONFIG */
};

static inline struct origin origin_node(const struct yaml_node *node)
{
    return (struct origin){.node = node};
}

static inline struct origin origin_flag(const char *name)
{
    return (struct origin){.name = name, .kind = ERROR_USAGE};
}

static inline struct origin origin_variable(const char *name)
{
    return (struct origin){.name = name, .kind = ERROR_CONFIG};
}

/* "forklift.yaml:3:5" or the name; release with free(). */
char *origin_source(const struct origin *origin);

/* Sets "SOURCE: ..." (in a file with the line and a caret below); returns -1. */
int origin_error(const struct origin *origin, struct error *err, const char *fmt, ...)
    _printf_(3, 4);

/* Sets "SOURCE: unknown WHAT 'word', did you mean 'name'?", or names what is known when nothing is
   near. Returns -1. */
int origin_unknown(const struct origin *origin, struct error *err, const char *what,
                   const char *word, const char *const *names, size_t count);

#endif

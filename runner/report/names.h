/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of (class, name) pairs: readers of reports drop or merge what bears the same name twice.
 */
#ifndef REPORT_NAMES_H
#define REPORT_NAMES_H

#include <stdbool.h>

#include <cleanroom/mem.h>

struct names {
    void *root;
};

#define _cleanup_names_ _cleanup_(names_deinit)

void names_deinit(struct names *names);
bool names_contains(const struct names *names, const char *classname, const char *name);
/* Adds the pair, or, when it is there already, the first of "name (2)", "name (3)" ... that is not.
   Returns the name that was added; release with free(). */
char *names_unique(struct names *names, const char *classname, const char *name);

#endif

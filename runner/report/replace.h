/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replaces a file as a whole: its readers see the old one or the new one, never a half.
 *
 *     _cleanup_replacement_ struct replacement r;
 *     if (replacement_begin(&r, dir, "junit.xml", err) < 0)
 *         return -1;
 *     fprintf(r.file, ...);                      // its errors are found by the commit
 *     return replacement_commit(&r, true, err);  // without it the old file stays
 */
#ifndef REPORT_REPLACE_H
#define REPORT_REPLACE_H

#include <stdbool.h>
#include <stdio.h>

#include <cleanroom/error.h>

/* "." and the name and this: what a process that was killed half-way leaves. */
#define REPLACEMENT_SUFFIX ".new"

struct replacement {
    int dir; /* borrowed */
    char *name;
    char *temporary; /* exists while not NULL */
    FILE *file;
};

#define _cleanup_replacement_ _cleanup_(replacement_deinit)

int replacement_begin(struct replacement *r, int dir, const char *name, struct error *err);
/* durable: it survives a power cut. What is only in between need not, and syncing takes its time.
 */
int replacement_commit(struct replacement *r, bool durable, struct error *err);
void replacement_deinit(struct replacement *r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joins the reports of machines that shared a run, and proves the whole as one machine proves its
 * own: no shard is missing or there twice, all have ended, and each test ran once.
 */
#ifndef SPLIT_MERGE_H
#define SPLIT_MERGE_H

#include <cleanroom/junit.h>

#include "split/planfile.h"

#define MERGE_REPORT_MAX ((size_t)256 << 20)
/* "slice=2/3", a property of a run that was one. */
#define MERGE_SLICE_PROPERTY "slice"

struct merge_report {
    char *path;
    struct result result;
};

struct merge {
    VEC(struct merge_report) reports;
    struct result result; /* the whole, after merge_finish() */
    struct strvec errors; /* sentences; with one, the whole is red */
};

#define _cleanup_merge_ _cleanup_(merge_deinit)

/* Takes a report in, one at least. What is no report of ours, or cannot be read, is an
 * ERROR_CONFIG. */
int merge_add(struct merge *m, const char *path, const char *xml, size_t len, struct error *err);

/* plan: what all of them were to run, or NULL: then they have to agree. expect: --expect, or 0. */
void merge_finish(struct merge *m, const struct planfile *plan, long expect);
/* Whether a test or phase of the whole failed. */
bool merge_has_failures(const struct merge *m);
void merge_deinit(struct merge *m);

#endif

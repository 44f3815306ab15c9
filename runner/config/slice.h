/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of the shards this machine runs, when several machines share a run.
 *
 *     2/3     the second of three slices
 *     auto    as the CI system's own variables say
 *     auto/3  the same of a system that tells the index alone: Kubernetes
 */
#ifndef CLEANROOM_SLICE_H
#define CLEANROOM_SLICE_H

#include <stddef.h>

#include <cleanroom/error.h>

#define SLICES_MAX 1000 /* as many as shards */

struct slice {
    int index; /* from 0 */
    int total;
    const char *ci; /* whose variables said so, or NULL */
};

/* A CI system that numbers the jobs of one step. */
struct slice_system {
    const char *name;
    const char *sign; /* a variable that it sets always, where others use the same names; or NULL */
    const char *index, *total; /* variables; total: NULL when there is none */
    int base;                  /* of the index */
    const char *source;        /* where this is documented */
};
/* Ends with a row without a name. */
extern const struct slice_system slice_systems[];

/* source: where the text was said, as errors name it: "--slice", "forklift.yaml:3:5". environment:
   the process's own, or NULL. */
int slice_parse(struct slice *out, const char *text, const char *source,
                const char *const *environment, struct error *err);

/* Neighbours: *first (from 0) and *count of all shards. The sizes of slices differ by one at most,
   and none is empty: more slices than shards are an error. */
int slice_range(const struct slice *slice, int shards, const char *source, int *first, int *count,
                struct error *err);

#endif

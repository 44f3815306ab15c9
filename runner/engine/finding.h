/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an engine finds when it looks at this machine: for `cleanroom doctor`.
 */
#ifndef ENGINE_FINDING_H
#define ENGINE_FINDING_H

#include <stdbool.h>

#include <cleanroom/vec.h>

/* One thing that an engine needs, as it is here. */
struct finding {
    bool ok;
    bool essential;   /* it cannot run without */
    const char *what; /* "OCI runtime", "overlay mounts", "subordinate ids", "memory limits" ... */
    char *found;      /* "crun 1.8.1 (/usr/bin/crun)", or why not: one sentence */
    const char *remedy; /* one sentence, or NULL */
};
struct findings {
    struct finding *items;
    size_t len, cap;
};
void findings_deinit(struct findings *findings);

#endif

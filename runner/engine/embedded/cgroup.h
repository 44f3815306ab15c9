/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits: control groups, version 1 or 2 (cgroups(7)).
 *
 * A run's groups are below one directory of its own (per hierarchy), as deep inside our own group
 * as the kernel allows; they are made when the first limit is asked for.
 */
#ifndef EMBEDDED_CGROUP_H
#define EMBEDDED_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include <cleanroom/error.h>
#include <cleanroom/vec.h>

/* Where a run's groups go. */
struct cgroup_places {
    int version;        /* 0: limits cannot be had here */
    char *why;          /* version 0: one sentence */
    struct strvec dirs; /* the run's directories; version 1: memory's, cpu's, pids' */
};
/* Looks, makes nothing. proc: /proc/self, whose mountinfo and cgroup say what there is. */
void cgroup_find(struct cgroup_places *places, const char *proc, const char *run);
void cgroup_places_deinit(struct cgroup_places *places);

struct cgroup_limits {
    uint64_t memory, cpu, pids; /* as in container_spec */
};

/* Makes the group `name` with its limits. procs takes the files into which a process writes "0" to
   join it. */
int cgroup_make(const struct cgroup_places *places, const char *name,
                const struct cgroup_limits *limits, struct strvec *procs, struct error *err);
/* Whether somebody in it was killed for want of memory. */
bool cgroup_oom(const struct cgroup_places *places, const char *name);
/* 0: it is gone. -1 with errno: EBUSY means later. */
int cgroup_remove(const struct cgroup_places *places, const char *name);
/* Removes a run's directories with all groups in them; kills what is left there. 0: gone. */
int cgroup_remove_all(const struct strvec *dirs);

#endif

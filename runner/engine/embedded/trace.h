/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a world leaves outside of itself, for those who come later: a small directory.
 *
 * BASE/RUN/            BASE is /run/cleanroom, for ordinary users $XDG_RUNTIME_DIR/cleanroom or
 *                      a private directory in $TMPDIR
 *     world            JSON: "owner", "scratch" (a directory on disk), "cgroups", "images", "nat"
 *     keeper           its pid and start time (proc(5), field 22)
 *     w/               where the keeper mounts its own, which only it can see
 */
#ifndef EMBEDDED_TRACE_H
#define EMBEDDED_TRACE_H

#include <sys/types.h>

#include <cleanroom/error.h>
#include <cleanroom/vec.h>

struct trace {
    char *run;
    char *owner; /* "" = unknown */
    char *dir;
    char *scratch; /* or NULL */
    struct strvec cgroups;
    bool nat;             /* there may be rules of the run's in the host's firewall */
    struct strvec images; /* names in the store that are this run's only */
    pid_t keeper;         /* 0 = not running */
};
void trace_deinit(struct trace *trace);
#define _cleanup_trace_ _cleanup_(trace_deinit)

/* Where they are; release with free(). Made when missing. NULL: it cannot be used. */
char *trace_base(struct error *err);

/* Makes the directory of a new world; trace->dir is set, but not on failure: then it is another's.
 */
int trace_make(struct trace *trace, struct error *err);
/* Writes what changed; trace->keeper apart. */
int trace_write(const struct trace *trace, struct error *err);
int trace_write_keeper(const struct trace *trace, struct error *err);

/* 1: read, 0: there is none. */
int trace_read(const char *run, struct trace *out);
/* A pidfd of a keeper that was read, or -1: it has ended. */
int trace_open_keeper(const struct trace *trace);
/* The runs that left one. */
void trace_list(struct strvec *runs);
/* Removes all of it but the keeper, who must have ended. -1: something stays, errno says why. */
int trace_remove(const struct trace *trace);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper: the process on which a world hangs.
 *
 * It is pid 1 of a pid namespace and lives in a mount namespace of its own (ordinary users: in a
 * user namespace too), where it mounts what containers need, begins the OCI runtime, and reaps what
 * the runtime leaves behind, which are the containers' first processes. It has one thread and a
 * poll loop, and does nothing long by itself: archives, commits and removals of big trees are
 * children's. Its end is the end of everything in it, and comes when main's end of the socket
 * closes, or at once with main (PR_SET_PDEATHSIG).
 *
 * Below its directory, which is a tmpfs that only it can see:
 *     c/ID/            one container: the overlay's (u)pper, wor(k) and (r)oot directories, the
 *                      bundle's config.json, the runtime's log and pid file
 *     v/ID             one volume
 *     n/ID, n/ID.etc/  a pod's network namespace, and its hosts, hostname and resolv.conf
 *     s/               the runtime's own state
 *     t/               what is being removed
 */
#ifndef EMBEDDED_KEEPER_H
#define EMBEDDED_KEEPER_H

#include <sys/types.h>

#include <cleanroom/engine.h>

#include "engine/embedded/cgroup.h"
#include "engine/embedded/outside.h"

struct keeper_options {
    const char *run;
    const char *dir;     /* an empty directory to mount its own on */
    const char *scratch; /* a directory on disk for what containers write, or NULL: memory */
    const char *store;   /* store_path() */
    const char *runtime; /* absolute path of crun or runc */
    const struct cgroup_places *cgroups;
    const struct outside *outside; /* for containers that can reach the outside */
};

struct keeper_handle {
    pid_t pid;
    pid_t mapper; /* ordinary users: a child that gives it its ids, to be reaped when it is up */
    int pidfd;
    int socket; /* see message.h; non-blocking */
};

/* Makes a keeper without waiting for it: its first message tells whether it is up. */
int keeper_spawn(const struct keeper_options *options, struct keeper_handle *out,
                 struct error *err);

#endif

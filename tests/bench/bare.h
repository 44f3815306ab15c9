/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The job of the embedded engine with nothing but the kernel: what `make bench` measures against.
 *
 * Made for each container: its own pid, mount, ipc, uts and cgroup namespace, an overlay over the
 * image's layers with its upper directory on one tmpfs, /proc, /dev with its nodes, /dev/pts,
 * /dev/shm, /dev/mqueue, /sys, volumes and the three files below /etc bound in, Docker's masked and
 * read-only paths, pivot_root, Docker's fourteen capabilities, the embedded engine's own seccomp
 * filter, the image's user, its output in a pipe that is read. For each shard: a network namespace
 * with loopback, and a process that holds it.
 *
 * Left out, so that this is a floor and no engine: a keeper, a ledger, a janitor, a report, files
 * that the app leaves behind, health after readiness, limits (cgroups), /sys/fs/cgroup, session
 * keyrings, rlimits, and all checking of what is asked for. The holder executes nothing.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <sys/types.h>

#include <cleanroom/vec.h>

/* One kind of container, as a file of lines "key value" tells it; see bare.c. */
struct recipe {
    char *name;
    char *lower; /* overlayfs: lowerdir */
    char *directory;
    uid_t uid;
    gid_t gid;
    struct strvec argv; /* none: it holds the shard's namespaces */
    struct strvec env;
    struct strvec volumes; /* paths: each a fresh directory, owned as the image's */
    struct strvec tmpfs;   /* "path options" */
    struct strvec binds;   /* "source path", read-only */
    char *probe;           /* "postgres", "redis" or "memcached"; NULL: it is the app */
    int port;
};

struct sock_filter;

/* What every container of a run is made with. */
struct kit {
    const char *shared;         /* directory that holds hosts, hostname and resolv.conf */
    struct sock_filter *filter; /* seccomp */
    unsigned short filter_len;
};

/* Starts one; returns its pid, or -1 with errno. *pidfd and *out (its output) are the caller's.
   scratch is the path of a directory to be made for it. */
pid_t bare_start(const struct recipe *recipe, const struct kit *kit, const char *scratch,
                 int *pidfd, int *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what a run wants of a container to what an OCI runtime reads: config.json of the OCI runtime
 * specification 1.0.2 (github.com/opencontainers/runtime-spec, config.md, config-linux.md).
 *
 * Capabilities (but for CAP_MKNOD), masked and read-only paths, the default mounts and the seccomp
 * filter are those of Docker (docs.docker.com/engine/security/seccomp, moby daemon/pkg/oci).
 * Pure but for reading the image's /etc/passwd and /etc/group below the root file system, where
 * symbolic links cannot lead out of it (openat2, RESOLVE_IN_ROOT).
 */
#ifndef EMBEDDED_BUNDLE_H
#define EMBEDDED_BUNDLE_H

#include <sys/types.h>

#include <cleanroom/engine.h>

/* A file or directory of ours that appears in the container. */
struct bundle_bind {
    const char *source; /* absolute path, as the runtime sees it */
    const char *target;
    bool read_only;
};

enum bundle_runtime {
    BUNDLE_CRUN, /* takes the seccomp filter ready made: run.oci.seccomp_bpf_data */
    BUNDLE_RUNC, /* compiles it from its description, for some milliseconds */
};

struct bundle {
    enum bundle_runtime runtime;
    const struct container_spec *spec; /* volumes among its mounts are in `binds` already */
    const struct image_info *image;
    const char *working_dir; /* "" = "/" */
    const char *rootfs;      /* absolute path of the mounted overlay */
    const char *netns;       /* path of the network namespace to join, or NULL for a new one */
    const char *hostname;    /* a pod's member has its pod's; NULL: as bundle_hostname() says */
    const struct bundle_bind *binds;
    size_t bind_count;
    bool user_namespace; /* we are root of a user namespace only: leave out what it forbids */
    bool cgroup;         /* a cgroup namespace and /sys/fs/cgroup can be had */
};

/* What a container is called inside: by its spec, or else by its name. Release with free(). */
char *bundle_hostname(const struct container_spec *spec);

/* The text of config.json; release with free(). The runtime is told to keep out of cgroups: the
   keeper has put it into the container's already. ERROR_SERVICE with what an engine would say for
   what the image cannot do (no such user, nothing to run). */
char *bundle_config(const struct bundle *bundle, struct error *err);

struct bundle_user {
    uid_t uid;
    gid_t gid;
    VEC(gid_t) groups; /* supplementary ones */
    char *home;        /* "/" when unknown */
};
/* "", "0", "postgres", "1000:1000", "app:staff", as Docker reads USER; rootfs is a directory.
   ERROR_SERVICE when there is no such user. Release *out in either case. */
int bundle_find_user(int rootfs, const char *user, struct bundle_user *out, struct error *err);
void bundle_user_deinit(struct bundle_user *user);

/* The seccomp filter as the kernel takes it (struct sock_filter[]), made once per process; release
   with free(). NULL on machines that the table does not know (seccomp.h). */
void *bundle_seccomp(size_t *size);

#endif

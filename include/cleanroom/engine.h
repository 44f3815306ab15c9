/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run needs of a container engine.
 *
 * A vtable with two implementations: Docker's Engine API (and Podman's compatible one), and the
 * embedded engine, which needs no daemon. So nothing here speaks of HTTP, paths or Docker's types.
 *
 * Every operation is asynchronous. It completes exactly once, from the loop and never from within
 * the call that began it, also when it was cancelled or its deadline passed. Strings in specs are
 * borrowed for the length of the call only. The completion's arguments are borrowed for the length
 * of the callback. A `deadline` is a point of clock_now(), or NSEC_INFINITY; when it passes the
 * operation completes with ENGINE_FAILED and an ERROR_TIMEOUT.
 *
 * Names of objects are chosen by the caller before the create call, so that the ledger can know
 * them first; every object carries the labels below.
 */
#ifndef CLEANROOM_ENGINE_H
#define CLEANROOM_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cleanroom/clock.h>
#include <cleanroom/error.h>
#include <cleanroom/loop.h>
#include <cleanroom/vec.h>

#define LABEL_RUN   "org.cleanroom.run"   /* run id */
#define LABEL_SHARD "org.cleanroom.shard" /* 1-based; absent on objects of the whole run */
#define LABEL_ROLE  "org.cleanroom.role"  /* "holder", a service's name, "deploy", "test" ... */
#define LABEL_OWNER "org.cleanroom.owner" /* the janitor of the run: see runner/run/owner.h */
/* On images that are kept between runs, which carry none of the labels above: the snapshot's key.
 */
#define LABEL_SNAPSHOT "org.cleanroom.snapshot"

enum object_kind {
    OBJECT_CONTAINER,
    OBJECT_VOLUME,
    OBJECT_NETWORK,
    OBJECT_IMAGE,
    OBJECT_WORLD, /* embedded: what one run's processes, mounts and cgroups hang on; goes last */
    OBJECT_KINDS,
};
/* "container", "volume", "network", "image", "world". */
const char *object_kind_name(enum object_kind kind);

/* Expected outcomes are not errors: only ENGINE_FAILED and ENGINE_CANCELLED come with one. */
enum engine_outcome {
    ENGINE_OK,
    ENGINE_NOT_FOUND, /* no such object */
    ENGINE_CONFLICT,  /* name taken, already started, removal already in progress, still in use */
    ENGINE_FAILED,
    ENGINE_CANCELLED,
};

struct labels {
    const char *run;   /* required */
    const char *owner; /* required */
    int shard;         /* 1-based, 0 = none */
    const char *role;  /* or NULL */
};

/* An image, as the machine that will run it knows it. */
struct image_info {
    char *id;     /* what containers are created from: content-addressed, "sha256:..." */
    char *digest; /* registry digest "name@sha256:..." where one is known, else NULL */
    char *user;   /* the image's USER, "" = root */
    struct strvec entrypoint;
    struct strvec cmd;
    struct strvec env;     /* K=V */
    struct strvec volumes; /* paths the image declares */
};
void image_info_deinit(struct image_info *info);

enum pull_policy {
    PULL_MISSING,
    PULL_ALWAYS,
    PULL_NEVER,
    PULL_KEPT, /* the engine's own alone: for what we keep in it ourselves */
};

enum mount_kind {
    MOUNT_TMPFS,
    MOUNT_VOLUME,
};

struct mount {
    enum mount_kind kind;
    const char *target;  /* absolute path in the container */
    const char *volume;  /* MOUNT_VOLUME: name of the volume; while nothing is in it, a container's
                            image fills it with what it has at the target, owner and mode too */
    const char *options; /* MOUNT_TMPFS: as mount(8), e.g. "size=512m,mode=0700", or NULL */
};

/* A port of a pod that can be reached from this machine. */
struct publish {
    const char *address; /* of this machine: an IPv4 loopback address */
    uint16_t port;       /* there */
    uint16_t target;     /* in the pod, on 127.0.0.1 */
    bool udp;            /* datagrams, one way */
};

enum { PUBLISH_MAX = 60 };

/* A terminal's size in characters; 0 = unknown. */
struct terminal_size {
    unsigned short rows, columns;
};

struct container_spec {
    const char *name;
    const char *image;   /* an image_info.id */
    const char *program; /* instead of an image: a program of this machine, which is run on it, in
                            no container, with just this argv and env; engine/direct's only */
    const char *const *dirs; /* program: made before it starts, absolute; NULL-terminated */
    struct labels labels;
    const char *const *entrypoint; /* replaces the image's ENTRYPOINT (and drops its CMD);
                                      NULL-terminated, or NULL to keep it */
    const char *const *argv; /* replaces the image's CMD; NULL-terminated, or NULL to keep it */
    const char *const *env;  /* K=V, on top of the image's own; NULL-terminated, or NULL */
    const char *user;        /* NULL: the image's */
    const char *pod;         /* join the network namespace of this container, or NULL */
    const char *network;     /* pod == NULL: connect to this network; NULL: loopback only */
    const char *hostname;    /* pod == NULL only */
    bool ours; /* its image is our own program and runs nothing else: an engine may leave out what
                  only other programs need (/proc, /sys, /dev, /etc/hosts; capabilities) */
    const struct publish *publish; /* pod == NULL and ours only, with argv: the engine lets our
                                      program relay (--relay, see satellite.h) */
    size_t publish_count;          /* PUBLISH_MAX at most */
    bool input; /* it has a standard input: see container_input; else there is nothing to read */
    const struct terminal_size *terminal; /* with input: a terminal is its input and output, which
                                             comes as OUTPUT_STDOUT; NULL: there is none */
    const struct mount *mounts;
    size_t mount_count;
    uint64_t memory;   /* limit in bytes, 0 = none */
    uint64_t shm_size; /* bytes, 0 = the engine's default */
    uint64_t cpu;      /* limit in thousandths of a CPU, 0 = none */
    uint64_t pids;     /* limit of processes and threads, 0 = none */
};

/* An image made of a container that has ended: its image with what it wrote on top. Volumes and
   tmpfs are not part of it. Nothing of the container's environment or command gets into it. */
struct commit_spec {
    const char *name;            /* "cleanroom-snapshot:KEY"; an image of that name is replaced */
    const char *snapshot;        /* LABEL_SNAPSHOT, or NULL */
    const struct labels *labels; /* of a run, or NULL for an image that is kept */
};

struct container_state {
    bool running;
    int exit_code; /* valid when it has run and is not running */
    bool oom_killed;
    const char *error; /* the engine's own words why it did not start, or "" */
};

/* One object of ours, found by label. */
struct object_info {
    enum object_kind kind;
    const char *name;
    const char *run;
    const char *owner; /* "" when unlabelled */
    int shard;         /* 0 = none */
    const char *role;  /* "" = none */
    bool running;
};

/* An image that is kept between runs. */
struct kept_image {
    const char *id;
    const char *name; /* "cleanroom-snapshot:KEY", "cleanroom-satellite:DIGEST"; "": it lost it */
    nsec_t created;   /* clock_wall() */
    uint64_t size;    /* bytes, with what it shares with others */
};

struct engine_event {
    enum { EVENT_STARTED, EVENT_DIED, EVENT_OOM } kind;
    const char *name; /* the container's */
    int exit_code;    /* EVENT_DIED */
};

enum { EXEC_OUTPUT_MAX = 1024 };

enum output_stream {
    OUTPUT_STDOUT = 1,
    OUTPUT_STDERR = 2,
};

typedef void (*engine_done_fn)(void *data, enum engine_outcome outcome, const struct error *err);
typedef void (*engine_image_fn)(void *data, enum engine_outcome outcome,
                                const struct image_info *info, const struct error *err);
typedef void (*engine_state_fn)(void *data, enum engine_outcome outcome,
                                const struct container_state *state, const struct error *err);
/* output: the end of what they wrote, EXEC_OUTPUT_MAX bytes at most; never NULL. How the two
   streams follow each other is not kept. */
typedef void (*engine_exit_fn)(void *data, enum engine_outcome outcome, int exit_code,
                               const char *output, const struct error *err);
typedef void (*engine_list_fn)(void *data, enum engine_outcome outcome,
                               const struct object_info *objects, size_t count,
                               const struct error *err);
typedef void (*engine_kept_fn)(void *data, enum engine_outcome outcome,
                               const struct kept_image *images, size_t count,
                               const struct error *err);
/* "pulling 'postgres:16': 43 of 152 MB"; called as often as the engine reports. */
typedef void (*engine_progress_fn)(void *data, const char *ref, uint64_t done, uint64_t total);
typedef void (*engine_output_fn)(void *data, enum output_stream stream, const void *bytes,
                                 size_t len);
typedef void (*engine_event_fn)(void *data, const struct engine_event *event);
typedef void (*engine_bytes_fn)(void *data, const void *bytes, size_t len);

struct engine;
/* A running operation; valid until its completion callback returns. */
struct engine_op;

struct engine_ops {
    /* Makes ref present according to policy (pulling it at most once) and tells what it is. */
    struct engine_op *(*image_resolve)(struct engine *, const char *ref, enum pull_policy,
                                       nsec_t deadline, engine_progress_fn, engine_image_fn,
                                       void *data);
    /* Makes an image named `name` of a root file system in an uncompressed tar archive. Without
       labels it is one that is kept: it gets LABEL_SNAPSHOT, its tag. */
    struct engine_op *(*image_import)(struct engine *, const char *name, const struct labels *,
                                      const char *const *entrypoint, const void *tar, size_t len,
                                      nsec_t deadline, engine_image_fn, void *data);
    /* A network on which containers can reach the outside but not each other. */
    struct engine_op *(*network_create)(struct engine *, const char *name, const struct labels *,
                                        nsec_t deadline, engine_done_fn, void *data);
    struct engine_op *(*volume_create)(struct engine *, const char *name, const struct labels *,
                                       nsec_t deadline, engine_done_fn, void *data);
    /* ENGINE_NOT_FOUND: its image is not there. */
    struct engine_op *(*container_create)(struct engine *, const struct container_spec *,
                                          nsec_t deadline, engine_done_fn, void *data);
    struct engine_op *(*container_start)(struct engine *, const char *name, nsec_t deadline,
                                         engine_done_fn, void *data);
    struct engine_op *(*container_inspect)(struct engine *, const char *name, nsec_t deadline,
                                           engine_state_fn, void *data);
    /* Follows what a container writes. Begun before its start, misses nothing. Completes
       (ENGINE_OK) when the container has ended and all it wrote was delivered. ready is called
       once when the stream is established (before any output): only then start the container. */
    struct engine_op *(*container_attach)(struct engine *, const char *name,
                                          void (*ready)(void *data), engine_output_fn,
                                          engine_done_fn, void *data);
    /* Gives bytes (copied) to a container with an input that is attached to and was started; with
       len 0 the input ends, and a terminal has none to end. One at a time: completes when it was
       taken. ENGINE_CONFLICT: nobody reads there any more. */
    struct engine_op *(*container_input)(struct engine *, const char *name, const void *bytes,
                                         size_t len, engine_done_fn, void *data);
    /* Tells a container's terminal its size. ENGINE_CONFLICT: it has none, or does not run. */
    struct engine_op *(*container_resize)(struct engine *, const char *name, struct terminal_size,
                                          nsec_t deadline, engine_done_fn, void *data);
    /* Delivers `path` (a directory) of a container, as an uncompressed tar archive. */
    struct engine_op *(*container_archive)(struct engine *, const char *name, const char *path,
                                           nsec_t deadline, engine_bytes_fn, engine_done_fn,
                                           void *data);
    /* The reverse: unpacks an uncompressed tar archive below `path`, an existing directory of a
       container that is created or runs; owners and modes as in the archive. tar is borrowed until
       the completion. */
    struct engine_op *(*container_extract)(struct engine *, const char *name, const char *path,
                                           const void *tar, size_t len, nsec_t deadline,
                                           engine_done_fn, void *data);
    /* Sends a signal to the container's first process. ENGINE_CONFLICT: it does not run. */
    struct engine_op *(*container_signal)(struct engine *, const char *name, int signal,
                                          nsec_t deadline, engine_done_fn, void *data);
    /* Runs words in a container that runs, with its user, environment and powers. Completes when
       they have ended. ENGINE_CONFLICT: the container does not run. Words that outlive the
       deadline are left to the container's end. */
    struct engine_op *(*container_exec)(struct engine *, const char *name, const char *const *argv,
                                        nsec_t deadline, engine_exit_fn, void *data);
    struct engine_op *(*container_commit)(struct engine *, const char *name,
                                          const struct commit_spec *, nsec_t deadline,
                                          engine_image_fn, void *data);
    /* Removes by force, with anonymous volumes. ENGINE_NOT_FOUND: it was gone. ENGINE_CONFLICT:
       somebody removes it already, or it is in use: look again later. */
    struct engine_op *(*remove)(struct engine *, enum object_kind, const char *name,
                                nsec_t deadline, engine_done_fn, void *data);
    /* All objects labelled LABEL_RUN=run, or of any run when run is NULL; all kinds. */
    struct engine_op *(*list)(struct engine *, const char *run, nsec_t deadline, engine_list_fn,
                              void *data);
    /* All images labelled LABEL_SNAPSHOT and of no run, but those that somebody gave a name of his
       own. NULL: the engine bounds by itself what it keeps. */
    struct engine_op *(*list_kept)(struct engine *, nsec_t deadline, engine_kept_fn, void *data);
    /* Tells of containers labelled LABEL_RUN=run that start and die. `ready` as in attach.
       Completes when the engine ends the stream. Events are wake-ups: inspect is the truth. */
    struct engine_op *(*events)(struct engine *, const char *run, void (*ready)(void *data),
                                engine_event_fn, engine_done_fn, void *data);
    /* Asks op to end: it completes with ENGINE_CANCELLED, later, from the loop. Once completed an
       op must not be named any more. */
    void (*cancel)(struct engine *, struct engine_op *);
    /* Drops whatever still runs, without completing it (no callback), and releases everything. */
    void (*free)(struct engine *);
};

struct engine {
    const struct engine_ops *ops;
    struct loop *loop;
    char *kind;        /* "docker", "podman", "embedded" */
    char *version;     /* "20.10.24 (API 1.41)" */
    char *where;       /* "unix:///var/run/docker.sock", for messages */
    char *why;         /* this one and not the one that comes first, or NULL; engine_open()'s */
    int cpus;          /* of the machine that runs the containers; 0 = unknown */
    uint64_t requests; /* operations begun so far */
};

enum engine_choice {
    ENGINE_AUTO, /* embedded where it can run and get its images, else a daemon */
    ENGINE_EMBEDDED,
    ENGINE_DOCKER, /* a daemon that speaks Docker's API, Podman's too */
};

/* How shards reach the outside, when they do. */
enum network_mode {
    NETWORK_NONE,     /* not at all: loopback only */
    NETWORK_OUTSIDE,  /* however the engine does it */
    NETWORK_HOST_NAT, /* embedded only: a veth pair and the host's NAT (root) */
    NETWORK_PASTA,    /* embedded only: passt.top's pasta, for everybody */
};

struct engine_options {
    enum engine_choice engine;
    const char *host;    /* --host: an endpoint as in DOCKER_HOST, or NULL to look for one */
    const char *context; /* --context: a docker context's name, or NULL for the current one */
    enum network_mode network;
    bool scratch_on_disk;        /* embedded: what containers write goes to disk, not to memory */
    uint64_t image_cache;        /* embedded: bytes its image store may grow to, 0 = no limit */
    const struct strvec *images; /* ENGINE_AUTO: references it must be able to get, or NULL */
};

/* Chooses, finds, connects to and greets an engine (may wait up to 10 s for a daemon's answer). The
   environment (DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CERT_PATH, DOCKER_TLS_VERIFY, DOCKER_CONFIG,
   HOME, XDG_RUNTIME_DIR) is looked at here and nowhere else. NULL and ERROR_ENGINE when there is
   none, ERROR_USAGE when the options contradict each other. */
struct engine *engine_open(struct loop *loop, const struct engine_options *options,
                           struct error *err);
/* Accepts NULL. */
void engine_free(struct engine *engine);

#endif

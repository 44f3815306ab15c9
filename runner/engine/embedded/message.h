/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the main process and a world's keeper say to each other.
 *
 * Main numbers its requests; the keeper answers each once, in any order, with that number, and
 * between the answers tells of containers that died (ANSWER_DIED), never before their start is
 * answered. Its first word, ANSWER_UP, says whether its world could be made. Objects are named by
 * numbers that main gives. Either end's end is the other's: see keeper.h.
 */
#ifndef EMBEDDED_MESSAGE_H
#define EMBEDDED_MESSAGE_H

#include <cleanroom/engine.h>

#include "engine/embedded/wire.h"

struct recipe_mount {
    int kind; /* enum mount_kind */
    char *target;
    char *options;
    uint32_t volume;
};

/* All that a container is made of: a container_spec with its image, owned. */
struct recipe {
    char *name;
    char *hostname;
    char *user;
    bool has_entrypoint, has_argv;
    struct strvec entrypoint, argv, env;
    uint32_t pod; /* the container whose network namespace it joins, 0 = one of its own */
    bool outside; /* pod == 0: can reach the outside */
    bool ours;
    uint32_t handed; /* how many descriptors it is handed, as OWN_HANDED and up; see own.h */
    bool input, terminal;
    uint32_t rows, columns;
    VEC(struct recipe_mount) mounts;
    uint64_t memory, shm_size, cpu, pids;
    struct image_info image;
    char *working_dir;
    struct strvec layers; /* relative to the store */
};
void recipe_deinit(struct recipe *recipe);

enum request_kind {
    REQUEST_VOLUME_MAKE,
    REQUEST_VOLUME_DROP,
    REQUEST_MAKE, /* descriptors: its standard output and standard error; with an input: that, or
                     the socket on which the terminal's other end is to be sent; then what it is
                     handed */
    REQUEST_START,
    REQUEST_SIGNAL,
    REQUEST_REMOVE,
    REQUEST_EXTRACT, /* descriptor: where the tar archive is read from */
    REQUEST_ARCHIVE, /* descriptor: where it is written to */
    REQUEST_COMMIT,
    REQUEST_EXEC,
    REQUEST_IMPORT, /* descriptor: a file that is the archive */
};

struct request {
    uint32_t number;
    int kind;
    uint32_t object;
    int signal;                  /* SIGNAL */
    char *path;                  /* EXTRACT, ARCHIVE */
    char *name, *parent, *label; /* COMMIT, IMPORT: store_add_upper()'s, store_add_rootfs()'s */
    struct strvec entrypoint;    /* IMPORT; EXEC: the words */
    struct recipe recipe;        /* MAKE */
};
void request_deinit(struct request *request);
void request_wire(struct wire *w, struct request *request);

enum answer_kind {
    ANSWER_UP,
    ANSWER_DONE,
    ANSWER_DIED,
};

struct answer {
    int kind;
    uint32_t number; /* DONE: the request's */
    uint32_t object; /* DIED */
    int outcome;     /* UP, DONE: enum engine_outcome */
    int error_kind;  /* ENGINE_FAILED: enum error_kind */
    char *text;      /* ENGINE_FAILED: why; COMMIT, IMPORT: the image's id; EXEC: output */
    int code;        /* DIED, EXEC, and START that failed: the exit code */
    bool oom;        /* DIED */
};
void answer_deinit(struct answer *answer);
void answer_wire(struct wire *w, struct answer *answer);

#endif

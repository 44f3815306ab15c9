/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing images into the store, and the process of a run that does it.
 *
 * The process writes lines to standard output: "progress DONE TOTAL", and last "id sha256:..." or
 * "error KIND MESSAGE". It ends with its parent. Whoever imports may find himself in the user
 * namespace of userns.h afterwards, if he needed one.
 */
#ifndef STORE_IMPORT_H
#define STORE_IMPORT_H

#include "engine/store/store.h"

struct import_image {
    char *id;
    char *name; /* or NULL */
};

struct import {
    struct store *store;
    const char *ref; /* what the image is to be called, or NULL: as it calls itself */
    void (*progress)(void *data, uint64_t done, uint64_t total); /* or NULL */
    void *data;
    char *id;                        /* of the image that came, the last one */
    VEC(struct import_image) images; /* of an archive: all that came */
};
void import_deinit(struct import *import);
void import_progress(const struct import *import, uint64_t done, uint64_t total);

/* From a Docker or Podman behind a unix socket; id is what it calls import->ref just now. */
int import_daemon(struct import *import, const char *socket, const char *id, struct error *err);

/* From an archive (`docker save`, OCI, compressed or not; a file or a pipe) or the directory of an
   OCI layout. fd is taken over, also on failure. */
int import_archive(struct import *import, int fd, struct error *err);

struct import_job {
    const char *store;   /* its path */
    uint64_t limit;      /* of the store, kept at the end */
    struct strvec words; /* KIND REF ...: "daemon" REF SOCKET ID */
};
/* The child's whole life, right after its fork. */
_Noreturn void import_process(const struct import_job *job, pid_t parent, int output);

#endif

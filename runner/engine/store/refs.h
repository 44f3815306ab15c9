/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of images: one small file each below refs/, replaced by rename.
 */
#ifndef STORE_REFS_H
#define STORE_REFS_H

#include "engine/store/store.h"

struct ref {
    char *file;   /* its name below refs/ */
    char *name;   /* normalised: "docker.io/library/postgres:16"; or an alias: another's id */
    char *id;     /* of the image */
    char *digest; /* "postgres@sha256:...", as the registry knows it, or NULL */
};
void ref_deinit(struct ref *ref);

/* The normalised name of a reference, or the full id; release with free(). NULL and ERROR_CONFIG.
 */
char *ref_normalise(const char *text, struct error *err);
/* As people write it: release with free(). */
char *ref_familiar(const char *name);

/* 1: found; 0: not there; -1: *err. */
int ref_read(struct store *store, const char *name, struct ref *out, struct error *err);
/* digest may be NULL: unknown. */
int ref_write(struct store *store, const char *name, const char *id, const char *digest,
              struct error *err);
/* Unless it has come to mean another image meanwhile. */
int ref_remove(struct store *store, const struct ref *ref);

struct ref_list {
    struct ref *items;
    size_t len, cap;
};
int ref_list(struct store *store, struct ref_list *out, struct error *err);
void ref_list_deinit(struct ref_list *list);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's directories, opened; what all of the store's files share. See store.h for the whole.
 */
#ifndef STORE_PLACE_H
#define STORE_PLACE_H

#include <stdbool.h>

#include "engine/store/store.h"

struct store {
    char *path;
    int top, layers, images, refs, tmp;
    bool user_namespace; /* we act for an ordinary user */
    uint64_t limit;
};

/* Opens the directories below store->path, and makes what is missing. */
int place_open(struct store *store, struct error *err);

/* The 64 hexadecimal digits of "sha256:...", or NULL when it is no such digest. */
const char *digest_hex(const char *digest);

/* A new name in tmp/: never the same twice. */
#define TMP_NAME_SIZE 48
void tmp_name(char out[TMP_NAME_SIZE], const char *what);

/* Writes a file in tmp/, and gives it its place in `dir` by rename (replace) or link. Returns 0; 1
   when it is there already and must not be replaced; -1 and *err. */
int place_file(struct store *store, int dir, const char *name, const char *text, size_t len,
               bool replace, struct error *err);

/* A file in tmp/ that has no name, and goes with its descriptor. -1 and *err. */
int place_nameless(const struct store *store, struct error *err);

#endif

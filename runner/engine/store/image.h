/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images of the store: one JSON file each, named by the image's id.
 *
 *     {"id": "sha256:...", "config": {what the image's configuration has below "config"},
 *      "layers": [{"id": "sha256:...", "size": 123}, ...]}            bottom first
 */
#ifndef STORE_IMAGE_H
#define STORE_IMAGE_H

#include <jansson.h>

#include "engine/store/layer.h"
#include "engine/store/store.h"

/* Records an image whose layers are held. An image that is there already is left as it is, and
   marked as used. */
int image_write(struct store *store, const char *id, const json_t *config, struct layers *layers,
                struct error *err);

/* 1: opened, locked for use and decoded; 0: not there, or not whole; -1: *err. */
int image_open(struct store *store, const char *id, struct store_image *out, struct error *err);
/* Marks as used now. */
void image_touch(const struct store_image *image);

/* What a file of images/ says, without a lock; for those who look at all of them. */
struct image_record {
    char *id;
    char *snapshot;         /* or NULL */
    struct strvec diff_ids; /* bottom first */
    VEC(uint64_t) sizes;    /* parallel */
    nsec_t used;
    bool named; /* for whoever wants to note it */
};
struct image_records {
    struct image_record *items;
    size_t len, cap;
};
int image_records_read(struct store *store, struct image_records *out, struct error *err);
void image_records_deinit(struct image_records *records);

/* "images/HEX.json" without the directory; false when id is none. */
#define IMAGE_FILE_SIZE 72
bool image_file(const char *id, char out[IMAGE_FILE_SIZE]);

#endif

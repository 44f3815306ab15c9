/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers of the store: directories that are filled in tmp/ and then renamed into layers/.
 *
 * A layer is held (by a shared lock on its directory) until the image that needs it is there too;
 * what is neither held nor named by an image may be removed by anybody.
 */
#ifndef STORE_LAYER_H
#define STORE_LAYER_H

#include <stdint.h>

#include "engine/store/store.h"

/* Below layers/: the beginning of its diff id. */
#define LAYER_NAME_SIZE 25

/* -1: it is no digest. */
int layer_name(const char *diff_id, char out[LAYER_NAME_SIZE]);

#define LAYER_SIZE_UNKNOWN UINT64_MAX

struct layer {
    char *diff_id;
    uint64_t size; /* LAYER_SIZE_UNKNOWN until somebody needs it */
    int hold;      /* descriptor of its directory, locked */
};
struct layers { /* bottom first */
    struct layer *items;
    size_t len, cap;
};
void layers_deinit(struct layers *layers);

/* Fills a new layer's empty directory. */
typedef int (*layer_fill_fn)(void *data, int dir, uint64_t *size, struct error *err);

/* Appends the layer of that id: the one that is there, or a new one filled by fill(). When another
   process is filling the same one, waits for it. 1: filled; 0: it was there. */
int layer_get(struct store *store, struct layers *layers, const char *diff_id, layer_fill_fn fill,
              void *data, struct error *err);
/* For a fill(): what it wrote is on the disk before the layer has its name, because a name is
   trusted for ever, and after a power cut there may be names of empty files. */
int layer_make_durable(const struct store *store, int dir, struct error *err);
/* As layer_get(), but nothing is filled: 0 when it is not there. */
int layer_hold(struct store *store, struct layers *layers, const char *diff_id);

#endif

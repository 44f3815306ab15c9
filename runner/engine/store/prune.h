/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What takes things out of the store. See store.h for list, remove and prune.
 */
#ifndef STORE_PRUNE_H
#define STORE_PRUNE_H

#include "engine/store/store.h"

/* Removes what no living process works on in tmp/: what killed ones left. */
void prune_rubbish(struct store *store);
/* Removes layers that no image names and nobody holds. */
int prune_layers(struct store *store, uint64_t *freed, struct error *err);

#endif

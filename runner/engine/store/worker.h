/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The importing process, seen from the loop: see import.h for what it says.
 */
#ifndef STORE_WORKER_H
#define STORE_WORKER_H

#include <cleanroom/loop.h>
#include <cleanroom/vec.h>

#include "engine/store/store.h"

struct worker;

/* id is NULL when it failed. Called once, from the loop; the worker is gone then. */
typedef void (*worker_done_fn)(void *data, const char *id, const struct error *err);

/* words: as struct import_job has them. NULL and *err when it cannot be begun. */
struct worker *worker_begin(struct store *store, struct loop *loop, const struct strvec *words,
                            void (*progress)(void *data, uint64_t done, uint64_t total),
                            worker_done_fn done, void *data, struct error *err);
/* Ends it without `done`. Accepts NULL. */
void worker_cancel(struct worker *worker);

#endif

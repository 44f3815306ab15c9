/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a reference to an image that can be mounted, without blocking the loop.
 *
 * Where it comes from, first hit wins: what a local Docker or Podman calls by that name (asked each
 * time, because that is where people build; only its id is compared when the store has it), the
 * store, a registry (by skopeo). What has to be brought is brought by a child process, so that a
 * long import neither blocks the loop nor outlives its run.
 */
#ifndef STORE_RESOLVE_H
#define STORE_RESOLVE_H

#include <cleanroom/loop.h>
#include <cleanroom/strbuf.h>

#include "engine/store/store.h"

struct resolve;

/* image: taken over by the callee on success, NULL on failure. Called once, from the loop. */
typedef void (*resolve_done_fn)(void *data, struct store_image *image, const struct error *err);

struct resolve *resolve_begin(struct store *store, struct loop *loop, const char *ref,
                              enum pull_policy policy, engine_progress_fn progress,
                              resolve_done_fn done, void *data);
/* Ends its child, if any; done is not called. Not after done was called. */
void resolve_cancel(struct resolve *resolve);

/* May wait some seconds. Could this reference be had at all: 1 yes, 0 no, and why not in `why`. */
int resolve_possible(struct store *store, const char *ref, struct strbuf *why);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commons: one more world besides the shards, in which the services run that are one for all of
 * them (`isolation: namespace`). There is none in a run that shares nothing.
 *
 * Its one volume, which the holders of all pods see, has a unix socket for each of its services:
 * its satellite lets in there what the shards' satellites send, so that no pod has a way to
 * another. A service that is ready gets the namespaces, one after the other; the shard that has all
 * of its own goes on. The commons are torn down after the last shard.
 */
#ifndef CLEANROOM_COMMONS_H
#define CLEANROOM_COMMONS_H

#include "run/shard.h"

struct commons_service;

struct commons {
    struct run_context *ctx;
    struct shard *world; /* NULL: nothing is shared */
    struct shard *shards;
    size_t shard_count;
    struct commons_service *services; /* parallel to the world's */
    void (*there)(void *data);
    void (*failed)(void *data, const struct error *err);
    void (*done)(void *data);
    void *data;
};

/* For these shards, borrowed. When the plan has something to share, there is a world, and
   ctx->commons is that. */
void commons_init(struct commons *c, struct run_context *ctx, struct shard *shards,
                  size_t shard_count);
void commons_deinit(struct commons *c);

/* Comes up. From the loop: there(data) when shards may begin; failed(data, err) at most once, when
   the shards cannot go on; done(data) when all is gone. */
void commons_begin(struct commons *c, void (*there)(void *data),
                   void (*failed)(void *data, const struct error *err), void (*done)(void *data),
                   void *data);
/* No shard needs it any more; done follows, unless it was called. */
void commons_end(struct commons *c);
/* There is nothing of it (any more). */
bool commons_gone(const struct commons *c);

/* As for shards. */
bool commons_container_died(struct commons *c, const char *name);
void commons_recheck(struct commons *c);

#endif

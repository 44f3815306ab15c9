/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worlds that come before the shards: one in which all missing snapshots are made side by side,
 * and one that is deployed to once. Each is there only when it is needed.
 */
#ifndef CLEANROOM_BAKE_H
#define CLEANROOM_BAKE_H

#include "run/shard.h"

struct bake {
    struct run_context *ctx;
    struct shard *world; /* NULL: not needed */
    struct deploy *deploy;
    nsec_t began;
    bool stopped;
    void (*done)(void *data, const struct error *err);
    void *data;
};

/* Makes the missing snapshots. A service of which none can be made starts from nothing, and that is
   said; done(data, NULL) always, from the loop or (when there is nothing to do) from within. */
void bake_begin(struct bake *b, struct run_context *ctx,
                void (*done)(void *data, const struct error *err), void *data);

/* Finds what an earlier run's deploy left, or deploys; then ctx->deploy tells. With an error, or
   with bake_failed(), there is nothing to make copies of. */
void bake_deploy(struct bake *b, struct run_context *ctx,
                 void (*done)(void *data, const struct error *err), void *data);
/* The app's deploy said no. */
bool bake_failed(const struct bake *b);

/* Tears down because of err, from any state; done follows if it was to. */
void bake_stop(struct bake *b, const struct error *err);
/* As for shards. */
bool bake_container_died(struct bake *b, const char *name);
void bake_recheck(struct bake *b);
void bake_deinit(struct bake *b);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "run/context.h"

#include <assert.h>

const struct image_info *context_image(const struct run_context *ctx, const char *ref)
{
    for (size_t i = 0; i < ctx->plan->images.len; i++)
        if (strcmp(ctx->plan->images.items[i].ref, ref) == 0)
            return &ctx->images[i];
    assert(!"an image that is not in the plan");
    return NULL;
}

struct labels context_labels(const struct run_context *ctx, int shard, const char *role)
{
    return (struct labels){
        .run = ctx->plan->run_id, .owner = ctx->owner, .shard = shard, .role = role};
}

nsec_t context_teardown_deadline(const struct run_context *ctx)
{
    return clock_now() + ctx->settings->own.teardown_timeout;
}

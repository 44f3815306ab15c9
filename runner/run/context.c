/* SPDX-License-Identifier: Apache-2.0 */
#include "run/context.h"

#include <string.h>

#include <assert.h>

const struct image_info *context_image(const struct run_context *ctx, const char *ref)
{
    for (size_t i = 0; i < ctx->plan->images.len; i++)
        if (strcmp(ctx->plan->images.items[i].ref, ref) == 0)
            return &ctx->images[i];
    assert(!"an image that is not in the plan");
    return NULL;
}

bool context_publishes(const struct run_context *ctx)
{
    return ctx->plan->program || ctx->plan->serve_port;
}

bool context_needs_network(const struct run_context *ctx)
{
    return ctx->settings->own.network != NETWORK_NONE ||
           (context_publishes(ctx) && strcmp(ctx->engine->kind, "embedded") != 0);
}

char *context_name(const struct run_context *ctx, int shard, const char *what)
{
    if (shard > 0)
        return xasprintf("cleanroom-%s-%d-%s", ctx->plan->run_id, shard, what);
    return xasprintf("cleanroom-%s-%s-%s", ctx->plan->run_id, results_place(shard), what);
}

char *context_subject(int shard, const char *what)
{
    const char *blank = *what ? " " : "";
    if (shard > 0)
        return xasprintf("shard %d%s%s", shard, blank, what);
    return xasprintf("%s%s%s", results_place(shard), blank, what);
}

struct labels context_labels(const struct run_context *ctx, int shard, const char *role)
{
    return (struct labels){.run = ctx->plan->run_id,
                           .owner = ctx->owner,
                           .shard = shard > 0 ? shard : 0,
                           .role = role};
}

nsec_t context_teardown_deadline(const struct run_context *ctx)
{
    return clock_now() + ctx->settings->own.teardown_timeout;
}

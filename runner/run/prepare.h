/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run needs before its first shard: every image resolved once (and pulled if the policy says
 * so), then its snapshot looked for; the satellite's image, the network, the engine's events. All
 * at the same time.
 */
#ifndef CLEANROOM_PREPARE_H
#define CLEANROOM_PREPARE_H

#include "run/context.h"

struct prepare_image {
    struct prepare *prepare;
    const char *ref; /* the plan's */
    const char *used_by;
    struct engine_op *op;
};

struct prepare {
    struct run_context *ctx;
    void (*done)(void *data, const struct error *err);
    void *data;
    struct prepare_image *images; /* parallel to plan->images */
    struct image_info *infos;     /* what the context shows of them */
    char *satellite_name, *network_name;
    bool satellite_kept; /* its image is no run's */
    int satellite_lease; /* then: ours, or -1 */
    struct image_info satellite;
    size_t pending; /* parts that are not complete */
    bool events_ready;
    struct loop_timer events_deadline;
    struct error error; /* the first */
};

/* Fills ctx->images, ctx->satellite and ctx->network; done(data, NULL or error) is called once,
   when nothing of it is under way any more. */
void prepare_begin(struct prepare *p, struct run_context *ctx,
                   void (*done)(void *data, const struct error *err), void *data);
/* The caller's event stream is open. */
void prepare_events_ready(struct prepare *p);
/* Stops what is under way because of err (copied); done follows with it, or with an earlier error.
 */
void prepare_cancel(struct prepare *p, const struct error *err);
void prepare_deinit(struct prepare *p);

#endif

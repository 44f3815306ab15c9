/* SPDX-License-Identifier: Apache-2.0 */
/* One volume of a shard: made, and removed again. */
#ifndef CLEANROOM_VOLUME_H
#define CLEANROOM_VOLUME_H

#include "run/context.h"
#include "run/removal.h"

enum volume_stage {
    VOLUME_PLANNED,
    VOLUME_CREATING,
    VOLUME_READY,
    VOLUME_FAILED,
    VOLUME_REMOVING,
    VOLUME_GONE,
};

struct volume {
    struct run_context *ctx;
    int shard;
    char *name;         /* in the engine */
    const char *target; /* where containers see it; borrowed */
    enum volume_stage stage;
    void (*on_change)(void *data, struct volume *v);
    void *data;
    struct error error; /* FAILED: why */
    bool left;          /* GONE: but it could not be removed */

    /* private */
    struct engine_op *op;
    struct removal removal;
    bool remove_wanted;
    nsec_t remove_deadline;
};

/* target: "/storage"; its last component ends the name. */
void volume_init(struct volume *v, struct run_context *ctx, int shard, const char *target,
                 void (*on_change)(void *data, struct volume *v), void *data);
/* When GONE or never begun, or when its engine is freed. */
void volume_deinit(struct volume *v);
void volume_create(struct volume *v, nsec_t deadline);
/* In any stage, once no container uses it; GONE follows. */
void volume_remove(struct volume *v, nsec_t deadline);

#endif

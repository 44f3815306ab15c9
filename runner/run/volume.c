/* SPDX-License-Identifier: Apache-2.0 */
#include "run/volume.h"

#include <assert.h>

static void tell_journal(const struct volume *v)
{
    static const char *const names[] = {
        [VOLUME_PLANNED] = "planned", [VOLUME_CREATING] = "creating", [VOLUME_READY] = "ready",
        [VOLUME_FAILED] = "failed",   [VOLUME_REMOVING] = "removing", [VOLUME_GONE] = "gone",
    };
    _cleanup_free_ char *what = xasprintf("volume %s", v->target);
    _cleanup_free_ char *subject = context_subject(v->shard, what);
    journal_state(v->ctx->journal, subject, names[v->stage], v->error.message);
}

/* The one writer of stage. */
static void volume_set_stage(struct volume *v, enum volume_stage stage)
{
    assert(stage > v->stage);
    bool never_was = v->stage == VOLUME_PLANNED && stage == VOLUME_GONE;
    v->stage = stage;
    if (!never_was)
        tell_journal(v);
    v->on_change(v->data, v);
}

void volume_init(struct volume *v, struct run_context *ctx, int shard, const char *target,
                 void (*on_change)(void *data, struct volume *v), void *data)
{
    *v = (struct volume){
        .ctx = ctx, .shard = shard, .target = target, .on_change = on_change, .data = data};
    v->name = context_name(ctx, shard, strrchr(target, '/') + 1);
}

void volume_deinit(struct volume *v)
{
    removal_deinit(&v->removal);
    error_clear(&v->error);
    free(v->name);
}

static void removed(void *data)
{
    struct volume *v = data;
    v->left = v->removal.left;
    volume_set_stage(v, VOLUME_GONE);
}

static void begin_removal(struct volume *v)
{
    volume_set_stage(v, VOLUME_REMOVING);
    removal_begin(&v->removal, v->ctx->engine, v->ctx->ledger, OBJECT_VOLUME, v->name,
                  v->remove_deadline, removed, v);
}

static void on_created(void *data, enum engine_outcome outcome, const struct error *err)
{
    struct volume *v = data;
    v->op = NULL;
    ledger_answered(v->ctx->ledger, outcome, err);
    if (v->remove_wanted) {
        begin_removal(v);
        return;
    }
    if (outcome == ENGINE_OK) {
        volume_set_stage(v, VOLUME_READY);
        return;
    }
    if (err && error_is_set(err))
        error_copy(&v->error, err);
    else
        error_set(&v->error, ERROR_ENGINE, "its name is taken");
    error_wrap(&v->error, "volume '%s' could not be created", v->name);
    volume_set_stage(v, VOLUME_FAILED);
}

void volume_create(struct volume *v, nsec_t deadline)
{
    struct labels labels = context_labels(v->ctx, v->shard, strrchr(v->target, '/') + 1);
    ledger_enter(v->ctx->ledger, OBJECT_VOLUME, v->name);
    volume_set_stage(v, VOLUME_CREATING);
    v->op = v->ctx->engine->ops->volume_create(v->ctx->engine, v->name, &labels, deadline,
                                               on_created, v);
}

void volume_remove(struct volume *v, nsec_t deadline)
{
    if (v->remove_wanted)
        return;
    v->remove_wanted = true;
    v->remove_deadline = deadline;
    if (v->stage == VOLUME_PLANNED)
        volume_set_stage(v, VOLUME_GONE);
    else if (!v->op) /* else when its creation is answered */
        begin_removal(v);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "run/bake.h"

static void begin_world(struct bake *b, int number, void (*done)(void *data, struct shard *s))
{
    b->began = clock_now();
    b->world = xcalloc(1, sizeof(*b->world));
    shard_init(b->world, b->ctx, number, done, b);
    shard_begin(b->world);
}

/* --- snapshots ------------------------------------------------------------------------------- */

static void settle(struct bake *b, size_t i)
{
    struct snapshot *snapshot = &b->ctx->snapshots[i];
    const struct shard_service *service = &b->world->services[i];
    char took[16];
    if (service->keep.image) {
        snapshot_made(snapshot, service->keep.image);
        clock_human(clock_now() - b->began, took, sizeof(took));
        console_say(b->ctx->console, 0, "%s: initialised once and kept as a snapshot in %s",
                    service->plan->name, took);
        return;
    }
    const struct error *why = &b->world->error;
    snapshot_give_up(snapshot, error_is_set(why) ? why->message : "it was not made");
    if (why->kind != ERROR_CANCELLED)
        console_say(b->ctx->console, 0,
                    "%s: no snapshot of it could be made, each shard initialises its own: %s",
                    service->plan->name, snapshot->why);
}

static void on_baked(void *data, struct shard *s)
{
    struct bake *b = data;
    for (size_t i = 0; i < s->service_count; i++)
        if (!s->services[i].off)
            settle(b, i);
    b->done(b->data, NULL);
}

void bake_begin(struct bake *b, struct run_context *ctx,
                void (*done)(void *data, const struct error *err), void *data)
{
    *b = (struct bake){.ctx = ctx, .done = done, .data = data};
    bool missing = false;
    for (size_t i = 0; i < ctx->plan->seed.services.len; i++)
        missing = missing || ctx->snapshots[i].state == SNAPSHOT_MISSING;
    if (missing)
        begin_world(b, CONTEXT_BAKE, on_baked);
    else
        done(data, NULL);
}

/* --- deploy once ----------------------------------------------------------------------------- */

static void tell(struct bake *b)
{
    _cleanup_free_ char *words = deploy_words(b->deploy);
    journal_fact(b->ctx->journal, "deploy", words);
    b->ctx->deploy = b->deploy;
}

/* What was kept of each service, in the deploy's terms. */
static void take_images(struct bake *b)
{
    for (size_t i = 0; i < b->world->service_count; i++)
        replace_str(&b->deploy->images[i], b->world->services[i].keep.image);
}

static void on_deployed(void *data, struct shard *s)
{
    struct bake *b = data;
    _cleanup_error_ struct error err = ERROR_INIT;
    char took[16];
    error_copy(&err, &s->error);
    if (!error_is_set(&err) && !s->failed) {
        take_images(b);
        (void)deploy_keep(b->deploy, &err);
    }
    if (b->deploy->made) {
        clock_human(clock_now() - b->began, took, sizeof(took));
        console_say(b->ctx->console, 0, "deploy: ran once and kept in %s", took);
        tell(b);
    }
    b->ctx->deploy = b->deploy->made ? b->deploy : NULL;
    b->done(b->data, error_is_set(&err) ? &err : NULL);
}

static void on_looked(void *data)
{
    struct bake *b = data;
    if (b->stopped) {
        b->done(b->data, NULL);
        return;
    }
    if (b->deploy->reused) {
        console_say(b->ctx->console, 0, "deploy: nothing has changed, %.12s is used again",
                    b->deploy->key);
        tell(b);
        b->done(b->data, NULL);
        return;
    }
    b->ctx->deploy = b->deploy; /* its keeper needs the names */
    begin_world(b, CONTEXT_SEED, on_deployed);
}

void bake_deploy(struct bake *b, struct run_context *ctx,
                 void (*done)(void *data, const struct error *err), void *data)
{
    *b = (struct bake){.ctx = ctx, .done = done, .data = data};
    if (ctx->plan->deploy != DEPLOY_ONCE) {
        done(data, NULL);
        return;
    }
    _cleanup_error_ struct error err = ERROR_INIT;
    b->deploy = deploy_new(ctx);
    if (deploy_find_key(b->deploy, &err) < 0)
        done(data, &err);
    else
        deploy_look(b->deploy, on_looked, b);
}

bool bake_failed(const struct bake *b)
{
    return b->world && b->world->failed;
}

/* --- both ------------------------------------------------------------------------------------ */

void bake_stop(struct bake *b, const struct error *err)
{
    b->stopped = true;
    if (b->world)
        shard_stop(b->world, err);
    else if (b->deploy)
        deploy_cancel(b->deploy);
}

bool bake_container_died(struct bake *b, const char *name)
{
    return b->world && shard_container_died(b->world, name);
}

void bake_recheck(struct bake *b)
{
    if (b->world)
        shard_recheck(b->world);
}

void bake_deinit(struct bake *b)
{
    if (b->world)
        shard_deinit(b->world);
    free(b->world);
    deploy_free(b->deploy);
}

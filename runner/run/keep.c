/* SPDX-License-Identifier: Apache-2.0 */
#include "run/keep.h"

static void finish(struct keep *k, const struct error *err, const char *what)
{
    k->complete = true;
    if (!k->image) {
        if (err && error_is_set(err))
            error_copy(&k->error, err);
        else
            error_set(&k->error, ERROR_ENGINE, "its container is gone");
        if (what)
            error_wrap(&k->error, "%s", what);
    }
    k->done(k->data, k);
}

static void on_committed(void *data, enum engine_outcome outcome, const struct image_info *info,
                         const struct error *err)
{
    struct keep *k = data;
    k->op = NULL;
    ledger_answered(k->container->ctx->ledger, outcome, err);
    if (outcome == ENGINE_OK)
        k->image = xstrdup(info->id);
    finish(k, err, "it could not be kept");
}

static void commit(struct keep *k)
{
    struct run_context *ctx = k->container->ctx;
    const struct commit_spec spec = {.name = k->name, .snapshot = k->key};
    k->committing = true;
    k->op = ctx->engine->ops->container_commit(ctx->engine, k->container->name, &spec,
                                               clock_now() + ctx->settings->own.start_timeout,
                                               on_committed, k);
}

static void on_signalled(void *data, enum engine_outcome outcome, const struct error *err)
{
    struct keep *k = data;
    k->op = NULL;
    if (outcome != ENGINE_OK && outcome != ENGINE_CONFLICT) /* it has ended by itself */
        finish(k, err, "it could not be stopped");
    else if (k->container->stage == CONTAINER_EXITED)
        keep_exited(k);
}

void keep_begin(struct keep *k, struct container *container, int signal, char *name,
                const char *key, void (*done)(void *data, struct keep *k), void *data)
{
    struct run_context *ctx = container->ctx;
    *k = (struct keep){.container = container,
                       .name = name,
                       .key = key,
                       .done = done,
                       .data = data,
                       .begun = true};
    k->op = ctx->engine->ops->container_signal(ctx->engine, container->name, signal,
                                               clock_now() + ctx->settings->own.start_timeout,
                                               on_signalled, k);
}

void keep_exited(struct keep *k)
{
    if (k->op || k->committing || k->complete)
        return; /* once the signal is answered */
    if (k->container->exit_code == 0) {
        commit(k);
        return;
    }
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *verdict = container_verdict(k->container);
    error_set(&err, ERROR_SERVICE, "it did not stop cleanly: %s", verdict);
    finish(k, &err, NULL);
}

bool keep_busy(const struct keep *k)
{
    return k->op != NULL;
}

void keep_cancel(struct keep *k)
{
    if (k->op)
        k->container->ctx->engine->ops->cancel(k->container->ctx->engine, k->op);
}

void keep_deinit(struct keep *k)
{
    free(k->name);
    free(k->image);
    error_clear(&k->error);
}

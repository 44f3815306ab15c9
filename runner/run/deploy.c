/* SPDX-License-Identifier: Apache-2.0 */
#include "run/deploy.h"

#include <unistd.h>

#include "config/mask.h"
#include "run/context.h"
#include "run/deploy_files.h"
#include "run/lease.h"

const char *const deploy_targets[DEPLOY_TARS] = {PLAN_STORAGE, PLAN_STATIC};

/* One image of the manifest being looked for. */
struct deploy_look {
    struct deploy *deploy;
    struct engine_op *op;
};

struct deploy *deploy_new(struct run_context *ctx)
{
    size_t count = ctx->plan->seed.services.len;
    struct deploy *d = xcalloc(1, sizeof(*d));
    d->ctx = ctx;
    d->root = d->tmp = d->lease = -1;
    d->images = xcalloc(count ? count : 1, sizeof(*d->images));
    d->looks = xcalloc(count ? count : 1, sizeof(*d->looks));
    for (size_t i = 0; i < count; i++)
        d->looks[i].deploy = d;
    return d;
}

static void forget_images(struct deploy *d)
{
    for (size_t i = 0; i < d->ctx->plan->seed.services.len; i++)
        free(TAKE_PTR(d->images[i]));
}

void deploy_free(struct deploy *d)
{
    if (!d)
        return;
    deploy_files_close(d);
    if (d->lease >= 0)
        close(d->lease);
    forget_images(d);
    free(d->images);
    free(d->looks);
    free(d->tmp_name);
    free(d);
}

/* --- the key --------------------------------------------------------------------------------- */

static int add_service(struct key *key, const struct deploy *d, const struct plan_service *s,
                       struct error *err)
{
    const struct image_info *info = context_image(d->ctx, s->spec.image);
    const struct recipe_image image = snapshot_image(info);
    const struct recipe *recipe = s->provider->recipe;
    _cleanup_(service_plan_deinit) struct service_plan first = {0};
    _cleanup_error_ struct error why = ERROR_INIT;
    if (recipe->stateless)
        service_plan_copy(&first, &s->spec);
    else if (recipe->first(&s->spec, &image, &first, &why) < 0)
        return error_set(err, ERROR_CONFIG,
                         "service '%s' (%s): 'deploy: once' can make no copies of it: %s; use "
                         "'deploy: each'",
                         s->name, s->spec.image, why.message);
    key_add_service(key, s->provider, info->id, &first);
    return 0;
}

int deploy_find_key(struct deploy *d, struct error *err)
{
    const struct plan *plan = d->ctx->plan;
    struct key key;
    _cleanup_strvec_ struct strvec random = STRVEC_INIT;
    key_begin(&key, "deploy");
    key_add(&key, d->ctx->engine->kind); /* the images are there and nowhere else */
    key_add(&key, d->ctx->engine->where);
    key_add(&key, context_image(d->ctx, d->ctx->settings->image.value)->id);
    for (size_t i = 0; i < plan->seed.services.len; i++) {
        const struct plan_service *s = &plan->seed.services.items[i];
        if (s->spec.password)
            strvec_push(&random, s->spec.password);
        /* What has no image is all in what the app is told. */
        if (s->spec.image && add_service(&key, d, s, err) < 0)
            return -1;
    }
    key_add_list(&key, &plan->deploy_argv, &random);
    key_add_list(&key, &plan->seed.app_env, &random);
    key_add(&key, d->ctx->network ? "network" : "");
    key_end(&key, d->key);
    return 0;
}

/* --- what was kept --------------------------------------------------------------------------- */

static void finish_look(struct deploy *d)
{
    if (--d->pending)
        return;
    _cleanup_error_ struct error err = ERROR_INIT;
    d->reused = !d->missing && deploy_files_map(d, d->key, &err) == 0;
    if (!d->reused)
        forget_images(d);
    d->done(d->data);
}

static void on_image(void *data, enum engine_outcome outcome, const struct image_info *info,
                     const struct error *err)
{
    (void)info, (void)err;
    struct deploy_look *look = data;
    look->op = NULL;
    look->deploy->missing |= outcome != ENGINE_OK;
    finish_look(look->deploy);
}

static void on_begin(void *data)
{
    finish_look(data);
}

void deploy_look(struct deploy *d, void (*done)(void *data), void *data)
{
    nsec_t deadline = clock_now() + d->ctx->settings->own.start_timeout;
    d->done = done;
    d->data = data;
    d->pending = 1;
    bool going = d->ctx->engine->ops->list_kept && !lease_take(d->key, &d->lease);
    d->missing = going || deploy_files_open(d) < 0 || deploy_files_manifest(d) < 0;
    for (size_t i = 0; !d->missing && i < d->ctx->plan->seed.services.len; i++) {
        if (!d->images[i])
            continue;
        d->pending++;
        d->looks[i].op = d->ctx->engine->ops->image_resolve(d->ctx->engine, d->images[i], PULL_KEPT,
                                                            deadline, NULL, on_image, &d->looks[i]);
    }
    loop_timer_arm(d->ctx->loop, &d->timer, clock_now(), on_begin, d);
}

void deploy_cancel(struct deploy *d)
{
    for (size_t i = 0; i < d->ctx->plan->seed.services.len; i++)
        if (d->looks[i].op)
            d->ctx->engine->ops->cancel(d->ctx->engine, d->looks[i].op);
}

/* --- to be kept ------------------------------------------------------------------------------ */

char *deploy_image_name(const struct deploy *d, const char *service)
{
    return xasprintf(SNAPSHOT_REPOSITORY ":%s-%s", d->key, service);
}

int deploy_keep(struct deploy *d, struct error *err)
{
    if (deploy_files_keep(d, err) < 0 || deploy_files_map(d, d->key, err) < 0)
        return -1;
    d->made = true;
    return 0;
}

char *deploy_words(const struct deploy *d)
{
    return xasprintf("%.12s (%s)", d->key, d->reused ? "reused" : "made");
}

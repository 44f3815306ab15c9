/* SPDX-License-Identifier: Apache-2.0 */
#include "run/shard_keep.h"

#include <errno.h>
#include <unistd.h>

#include "run/shard_collect.h"

/* --- by which plan --------------------------------------------------------------------------- */

typedef int (*recipe_fn)(const struct service_plan *zero, const struct recipe_image *image,
                         struct service_plan *out, struct error *why);

static bool has_snapshot(const struct snapshot *s)
{
    return s->state == SNAPSHOT_REUSED || s->state == SNAPSHOT_MADE;
}

/* Which of the recipe's plans, and the image it needs. NULL: from nothing. */
static recipe_fn choose_recipe(const struct shard *s, size_t i, const char **image)
{
    const struct recipe *recipe = s->services[i].plan->provider->recipe;
    const struct snapshot *snapshot = &s->ctx->snapshots[i];
    const struct deploy *deploy = s->ctx->deploy;
    if (s->kind == SHARD_BAKE)
        return recipe->first;
    if (s->kind == SHARD_TESTS && deploy && deploy->images[i]) {
        *image = deploy->images[i];
        return recipe->copy;
    }
    if (has_snapshot(snapshot)) {
        *image = snapshot->image;
        return recipe->copy;
    }
    return s->kind == SHARD_SEED && !recipe->stateless ? recipe->first : NULL;
}

static int plan_service(struct shard *s, size_t i, struct error *err)
{
    struct shard_service *service = &s->services[i];
    const struct service_plan *zero = &service->plan->spec;
    const struct image_info *info = context_image(s->ctx, zero->image);
    const struct recipe_image image = snapshot_image(info);
    service->image = info->id;
    recipe_fn recipe = choose_recipe(s, i, &service->image);
    if (!recipe)
        service_plan_copy(&service->spec, zero);
    else if (recipe(zero, &image, &service->spec, err) < 0)
        return error_wrap(err, "service '%s' (%s)", service->plan->name, zero->image);
    return 0;
}

int shard_plan_services(struct shard *s, struct error *err)
{
    for (size_t i = 0; i < s->service_count; i++)
        if (shard_service_runs(&s->services[i]) && plan_service(s, i, err) < 0)
            return -1;
    return 0;
}

bool shard_plan_anew(struct shard *s, struct shard_service *service)
{
    size_t i = (size_t)(service - s->services);
    const struct snapshot *snapshot = &s->ctx->snapshots[i];
    const struct service_plan *zero = &service->plan->spec;
    const struct image_info *info = context_image(s->ctx, zero->image);
    const struct recipe_image image = snapshot_image(info);
    _cleanup_(service_plan_deinit) struct service_plan first = {0};
    _cleanup_error_ struct error why = ERROR_INIT;
    if (!has_snapshot(snapshot) || service->image != snapshot->image ||
        service->plan->provider->recipe->first(zero, &image, &first, &why) < 0)
        return false;
    service_plan_deinit(&service->spec);
    service_plan_copy(&service->spec, &first);
    service->image = info->id;
    service->anew = true;
    return true;
}

/* --- KEEP ------------------------------------------------------------------------------------ */

static void archive_next(struct shard *s);

static bool is_kept(const struct shard_service *service)
{
    return !service->off && !service->plan->provider->recipe->stateless;
}

static void go_on_if_kept(struct shard *s)
{
    for (size_t i = 0; i < s->service_count; i++)
        if (is_kept(&s->services[i]) && !s->services[i].keep.complete)
            return;
    if (s->archive || s->archive_tar < DEPLOY_TARS)
        return;
    shard_set_state(s,
                    s->kind == SHARD_SEED && shard_has_sinks(s) ? SHARD_COLLECT : SHARD_TEARDOWN);
}

static void on_kept(void *data, struct keep *k)
{
    struct shard *s = data;
    const struct shard_service *service = container_of(k, struct shard_service, keep);
    if (s->state != SHARD_KEEP)
        shard_teardown_goes_on(s);
    else if (k->image)
        go_on_if_kept(s);
    else
        shard_fail(s, k->error.kind, "service '%s' (%s): %s", service->plan->name,
                   service->plan->spec.image, k->error.message);
}

static void keep_service(struct shard *s, size_t i)
{
    struct shard_service *service = &s->services[i];
    bool seed = s->kind == SHARD_SEED;
    char *name = seed ? deploy_image_name(s->ctx->deploy, service->plan->name)
                      : xstrdup(s->ctx->snapshots[i].name);
    keep_begin(&service->keep, &service->container, service->plan->provider->recipe->stop, name,
               seed ? s->ctx->deploy->key : s->ctx->snapshots[i].key, on_kept, s);
}

static void keep_deadline_passed(void *data)
{
    struct shard *s = data;
    shard_fail(s, ERROR_TIMEOUT, "its services were not stopped and kept in time");
}

void shard_enter_keep(struct shard *s)
{
    loop_timer_arm(s->ctx->loop, &s->deadline,
                   clock_now() + 2 * s->ctx->settings->own.start_timeout, keep_deadline_passed, s);
    for (size_t i = 0; i < s->service_count; i++)
        if (is_kept(&s->services[i]))
            keep_service(s, i);
    s->archive_tar = s->kind == SHARD_SEED ? -1 : DEPLOY_TARS - 1;
    archive_next(s);
}

void shard_keep_changed(struct shard *s, struct shard_service *service)
{
    if (service->container.stage == CONTAINER_EXITED && service->keep.begun)
        keep_exited(&service->keep);
    else if (service->container.stage == CONTAINER_FAILED)
        shard_fail(s, service->container.error.kind, "service '%s' (%s) %s", service->plan->name,
                   service->plan->spec.image, service->container.error.message);
}

/* --- the volumes' content -------------------------------------------------------------------- */

static void archive_bytes(void *data, const void *bytes, size_t len)
{
    struct shard *s = data;
    const char *p = bytes;
    s->archive_len += len;
    while (len && s->archive_fd >= 0 && s->archive_len <= DEPLOY_TAR_MAX) {
        ssize_t n = write(s->archive_fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            error_set_errno(&s->collect_error, ERROR_INTERNAL, errno,
                            "what deploy left in %s could not be kept",
                            deploy_targets[s->archive_tar]);
            close(TAKE_FD(s->archive_fd));
            return;
        }
        p += n;
        len -= (size_t)n;
    }
}

static void archive_ended(void *data, enum engine_outcome outcome, const struct error *err)
{
    struct shard *s = data;
    s->archive = NULL;
    if (s->archive_fd >= 0)
        close(TAKE_FD(s->archive_fd));
    if (s->state != SHARD_KEEP)
        shard_teardown_goes_on(s);
    else if (error_is_set(&s->collect_error))
        shard_fail(s, s->collect_error.kind, "%s", s->collect_error.message);
    else if (s->archive_len > DEPLOY_TAR_MAX)
        shard_fail(s, ERROR_SERVICE,
                   "deploy left more than %d MiB in %s, which is too much to make copies of; use "
                   "'deploy: each'",
                   (int)(DEPLOY_TAR_MAX >> 20), deploy_targets[s->archive_tar]);
    else if (outcome != ENGINE_OK)
        shard_fail(s, ERROR_ENGINE, "what deploy left in %s could not be fetched: %s",
                   deploy_targets[s->archive_tar],
                   err && error_is_set(err) ? err->message : "the pod's holder is gone");
    else
        archive_next(s);
}

/* One volume after the other; then it is for the services to end. */
static void archive_next(struct shard *s)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    if (++s->archive_tar == DEPLOY_TARS) {
        go_on_if_kept(s);
        return;
    }
    s->archive_len = 0;
    s->archive_fd = deploy_raw(s->ctx->deploy, s->archive_tar, &err);
    if (s->archive_fd < 0) {
        shard_stop(s, &err);
        return;
    }
    s->archive = s->ctx->engine->ops->container_archive(
        s->ctx->engine, s->holder.name, deploy_targets[s->archive_tar],
        clock_now() + s->ctx->settings->own.deploy_timeout, archive_bytes, archive_ended, s);
}

/* --- a copy ---------------------------------------------------------------------------------- */

static void on_filled(void *data, enum engine_outcome outcome, const struct error *err)
{
    struct shard_fill *fill = data;
    struct shard *s = fill->shard;
    fill->op = NULL;
    if (s->state >= SHARD_TEARDOWN)
        shard_teardown_goes_on(s);
    else if (outcome != ENGINE_OK)
        shard_fail(s, ERROR_ENGINE, "what deploy left in %s could not be put there: %s",
                   deploy_targets[fill - s->fills],
                   err && error_is_set(err) ? err->message : "the pod's holder is gone");
    else
        shard_go_on_if_ready(s);
}

void shard_fill_volumes(struct shard *s)
{
    const struct deploy *d = s->ctx->deploy;
    for (int i = 0; d && s->kind == SHARD_TESTS && i < DEPLOY_TARS; i++) {
        s->fills[i].shard = s;
        if (d->tars[i].bytes)
            s->fills[i].op = s->ctx->engine->ops->container_extract(
                s->ctx->engine, s->holder.name, deploy_targets[i], d->tars[i].bytes, d->tars[i].len,
                clock_now() + s->ctx->settings->own.deploy_timeout, on_filled, &s->fills[i]);
    }
}

bool shard_is_filling(const struct shard *s)
{
    for (int i = 0; i < DEPLOY_TARS; i++)
        if (s->fills[i].op)
            return true;
    return false;
}

void shard_keep_cancel(struct shard *s)
{
    for (int i = 0; i < DEPLOY_TARS; i++)
        if (s->fills[i].op)
            s->ctx->engine->ops->cancel(s->ctx->engine, s->fills[i].op);
    for (size_t i = 0; i < s->service_count; i++)
        keep_cancel(&s->services[i].keep);
}

bool shard_keep_busy(const struct shard *s)
{
    for (size_t i = 0; i < s->service_count; i++)
        if (keep_busy(&s->services[i].keep))
            return true;
    return shard_is_filling(s);
}

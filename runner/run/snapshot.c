/* SPDX-License-Identifier: Apache-2.0 */
#include "run/snapshot.h"

#include <unistd.h>

#include <cleanroom/log.h>

#include "run/context.h"
#include "run/lease.h"

struct snapshot *snapshots_new(struct run_context *ctx)
{
    size_t count = ctx->plan->seed.services.len;
    struct snapshot *snapshots = xcalloc(count, sizeof(*snapshots));
    for (size_t i = 0; i < count; i++) {
        snapshots[i].ctx = ctx;
        snapshots[i].lease = -1;
        snapshots[i].service = &ctx->plan->seed.services.items[i];
    }
    return snapshots;
}

void snapshots_free(struct snapshot *snapshots, size_t count)
{
    for (size_t i = 0; snapshots && i < count; i++) {
        free(snapshots[i].why);
        free(snapshots[i].name);
        free(snapshots[i].image);
        if (snapshots[i].lease >= 0)
            close(snapshots[i].lease);
    }
    free(snapshots);
}

struct recipe_image snapshot_image(const struct image_info *info)
{
    return (struct recipe_image){.user = info->user,
                                 .entrypoint = &info->entrypoint,
                                 .env = &info->env,
                                 .volumes = &info->volumes};
}

static void set_state(struct snapshot *s, enum snapshot_state state, const char *image)
{
    static const char *const names[] = {"zero", "missing", "reused", "made"};
    s->state = state;
    replace_str(&s->image, image);
    _cleanup_free_ char *subject = xasprintf("snapshot %s", s->service->name);
    journal_state(s->ctx->journal, subject, names[state], s->why ? s->why : s->key);
}

void snapshot_give_up(struct snapshot *s, const char *why)
{
    replace_str(&s->why, why);
    set_state(s, SNAPSHOT_ZERO, NULL);
}

void snapshot_made(struct snapshot *s, const char *image)
{
    set_state(s, SNAPSHOT_MADE, image);
}

static void on_image(void *data, enum engine_outcome outcome, const struct image_info *info,
                     const struct error *err)
{
    struct snapshot *s = data;
    s->op = NULL;
    if (outcome == ENGINE_OK)
        set_state(s, SNAPSHOT_REUSED, info->id);
    else if (outcome == ENGINE_CANCELLED || (err && err->kind == ERROR_TIMEOUT))
        snapshot_give_up(s, err->message);
    else
        set_state(s, SNAPSHOT_MISSING, NULL);
    s->done(s->data);
}

/* Whether anybody wants one, and has not said no. */
static bool is_wanted(const struct snapshot *s)
{
    const struct service_plan *spec = &s->service->spec;
    const struct recipe *recipe = s->service->provider->recipe;
    return s->ctx->settings->own.snapshots && spec->snapshot && !spec->external && recipe &&
           recipe->slow;
}

bool snapshot_look(struct snapshot *s, void (*done)(void *data), void *data)
{
    if (!is_wanted(s))
        return false;

    const struct image_info *info = context_image(s->ctx, s->service->spec.image);
    const struct recipe_image image = snapshot_image(info);
    _cleanup_(service_plan_deinit) struct service_plan first = {0};
    _cleanup_error_ struct error why = ERROR_INIT;
    if (s->service->provider->recipe->first(&s->service->spec, &image, &first, &why) < 0) {
        snapshot_give_up(s, why.message);
        return false;
    }

    struct key key;
    key_begin(&key, "service");
    key_add_service(&key, s->service->provider, info->id, &first);
    key_end(&key, s->key);
    s->name = xasprintf(SNAPSHOT_REPOSITORY ":%s", s->key);
    if (s->ctx->engine->ops->list_kept && !lease_take(s->key, &s->lease)) {
        set_state(s, SNAPSHOT_MISSING, NULL);
        return false;
    }
    s->done = done;
    s->data = data;
    s->op = s->ctx->engine->ops->image_resolve(s->ctx->engine, s->name, PULL_KEPT,
                                               clock_now() + s->ctx->settings->own.start_timeout,
                                               NULL, on_image, s);
    return true;
}

void snapshot_cancel(struct snapshot *s)
{
    if (s->op)
        s->ctx->engine->ops->cancel(s->ctx->engine, s->op);
}

char *snapshot_words(const struct snapshot *s)
{
    if (s->state == SNAPSHOT_REUSED || s->state == SNAPSHOT_MADE)
        return xasprintf("%.12s (%s)", s->key, s->state == SNAPSHOT_MADE ? "made" : "reused");
    return s->why ? xasprintf("from zero: %s", s->why) : xstrdup("from zero");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "run/recycle.h"

#include <cleanroom/log.h>
#include <cleanroom/strbuf.h>

#include "engine/choose.h"
#include "run/dwelling.h"
#include "run/owner.h"
#include "run/sweep.h"

#define RECYCLE_TIME (120 * NSEC_PER_SEC)

struct recycle {
    const struct recycle_options *options;
    FILE *out;
    struct dwellings dwellings; /* of the engine's runs */
    struct sweep sweep;
    size_t engines;             /* looked at */
    size_t count;               /* objects removed, or with --dry-run that would be */
    struct strvec left, spared; /* runs that live, or whose owner we cannot see */
    struct error unable;        /* an engine that could not be asked */
    bool stop;
};

static void spare(struct recycle *r, const struct object_info *o, const char *why)
{
    _cleanup_free_ char *line = xasprintf("run %s %s; to remove it anyhow: cleanroom recycle %s",
                                          o->run, why, o->run);
    if (!strvec_contains(&r->spared, line))
        strvec_push(&r->spared, line);
}

static bool is_homeless(struct recycle *r, const struct object_info *o)
{
    const char *id = owner_container(o->owner);
    const struct dwelling *d = id ? dwellings_get(&r->dwellings, id) : NULL;
    if (d && d->gone)
        return true;
    _cleanup_free_ char *why = d ? xasprintf("belongs to the container %.12s, which runs", id)
                                 : xstrdup("belongs to another machine or container");
    spare(r, o, why);
    return false;
}

static bool is_abandoned(void *data, const struct object_info *o)
{
    struct recycle *r = data;
    if (r->options->run)
        return true;
    switch (owner_status(o->owner)) {
    case OWNER_GONE:
        return true;
    case OWNER_ALIVE:
        spare(r, o, "is going on");
        return false;
    default:
        return is_homeless(r, o);
    }
}

static void say_removed(void *data, enum object_kind kind, const char *name)
{
    struct recycle *r = data;
    fprintf(r->out, "removed %s %s\n", object_kind_name(kind), name);
}

static void swept(void *data)
{
    struct recycle *r = data;
    r->stop = true;
}

static void on_list(void *data, enum engine_outcome outcome, const struct object_info *objects,
                    size_t count, const struct error *err)
{
    struct recycle *r = data;
    r->stop = true;
    if (outcome != ENGINE_OK) {
        error_copy(&r->sweep.error, err);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_abandoned(r, &objects[i]))
            continue;
        r->count++;
        fprintf(r->out, "would remove %s %s (run %s)\n", object_kind_name(objects[i].kind),
                objects[i].name, objects[i].run);
    }
}

static void take_results(struct recycle *r)
{
    r->count += r->sweep.count;
    strvec_append(&r->left, &r->sweep.left);
    if (error_is_set(&r->sweep.error) && !error_is_set(&r->unable))
        error_move(&r->unable, &r->sweep.error);
    sweep_deinit(&r->sweep);
    dwellings_deinit(&r->dwellings);
    r->dwellings = (struct dwellings){0};
}

static void dwellings_known(void *data)
{
    struct recycle *r = data;
    r->stop = true;
}

/* Nobody's home matters to who names a run, and the embedded engine knows no containers. */
static int ask_dwellings(struct recycle *r, struct engine *engine, struct error *err)
{
    if (r->options->run || strcmp(engine->kind, "embedded") == 0)
        return 0;
    r->stop = false;
    dwellings_ask(&r->dwellings, engine, clock_now() + RECYCLE_TIME, dwellings_known, r);
    return loop_run(engine->loop, &r->stop, err);
}

static int recycle_on(struct recycle *r, struct engine *engine, struct error *err)
{
    if (ask_dwellings(r, engine, err) < 0)
        return -1;
    r->stop = false;
    r->sweep = (struct sweep){.engine = engine,
                              .run = r->options->run,
                              .wanted = is_abandoned,
                              .removed = say_removed,
                              .done = swept,
                              .data = r,
                              .deadline = clock_now() + RECYCLE_TIME};
    if (r->options->dry_run)
        engine->ops->list(engine, r->options->run, r->sweep.deadline, on_list, r);
    else
        sweep_begin(&r->sweep);
    int rc = loop_run(engine->loop, &r->stop, err);
    take_results(r);
    return rc;
}

/* Looks at one engine if it is meant; one that need not be there may be missing, and says why. */
static int look_at(struct recycle *r, struct loop *loop, const struct engine_options *options,
                   enum choose_need need, struct strbuf *missing, struct error *err)
{
    if (need == CHOOSE_NOT)
        return 0;
    _cleanup_error_ struct error why = ERROR_INIT;
    struct engine *engine = engine_open(loop, options, &why);
    if (!engine && need == CHOOSE_MUST) {
        error_move(err, &why);
        return -1;
    }
    if (!engine) {
        log_debug("%s", why.message);
        strbuf_addf(missing, "%s%s", missing->len ? "; " : "", why.message);
        return 0;
    }
    r->engines++;
    int rc = recycle_on(r, engine, err);
    engine_free(engine);
    return rc;
}

static int look_everywhere(struct recycle *r, struct loop *loop, const struct engine_options *asked,
                           struct error *err)
{
    static const enum engine_choice all[] = {ENGINE_EMBEDDED, ENGINE_DOCKER};
    _cleanup_strbuf_ struct strbuf missing = STRBUF_INIT;
    struct choose_facts facts = {.asked = asked->engine};
    choose_daemon(&facts, asked);
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        struct engine_options options = *asked;
        options.engine = all[i];
        if (look_at(r, loop, &options, choose_need(&facts, all[i]), &missing, err) < 0)
            return -1;
    }
    if (r->engines == 0)
        return error_set(err, ERROR_ENGINE, "%s", missing.buf);
    return 0;
}

static int conclude(struct recycle *r, struct error *err)
{
    for (size_t i = 0; i < r->spared.len; i++)
        fprintf(r->out, "%s\n", r->spared.items[i]);
    for (size_t i = 0; i < r->left.len; i++)
        fprintf(r->out, "left: %s\n", r->left.items[i]);
    if (error_is_set(&r->unable)) {
        error_move(err, &r->unable);
        return error_exit_code(err->kind);
    }
    if (r->options->dry_run)
        fprintf(r->out, "%zu objects would be removed\n", r->count);
    else
        fprintf(r->out, "%zu objects removed, %zu left\n", r->count, r->left.len);
    return r->left.len ? 4 : 0;
}

int recycle_execute(const struct settings *settings, const struct recycle_options *options,
                    FILE *out, struct error *err)
{
    struct recycle r = {.options = options, .out = out};
    struct engine_options asked = settings_engine(settings);
    asked.network = NETWORK_NONE;
    struct loop *loop = loop_new(err);
    int rc = loop ? look_everywhere(&r, loop, &asked, err) : -1;
    loop_free(loop);
    int code = rc < 0 ? error_exit_code(err->kind) : conclude(&r, err);
    strvec_deinit(&r.left);
    strvec_deinit(&r.spared);
    error_clear(&r.unable);
    return code;
}

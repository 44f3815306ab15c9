/* SPDX-License-Identifier: Apache-2.0 */
#include "run/recycle.h"

#include "run/owner.h"
#include "run/sweep.h"

#define RECYCLE_TIME (120 * NSEC_PER_SEC)

struct recycle {
    const struct recycle_options *options;
    FILE *out;
    struct sweep sweep;
    size_t seen;          /* --dry-run: objects that would be removed */
    struct strvec spared; /* runs that live, or whose owner we cannot see */
    bool stop;
};

static void spare(struct recycle *r, const struct object_info *o, const char *why)
{
    _cleanup_free_ char *line = xasprintf("run %s %s; to remove it anyhow: cleanroom recycle %s",
                                          o->run, why, o->run);
    if (!strvec_contains(&r->spared, line))
        strvec_push(&r->spared, line);
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
        spare(r, o, "belongs to another machine or container");
        return false;
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
        r->seen++;
        fprintf(r->out, "would remove %s %s (run %s)\n", object_kind_name(objects[i].kind),
                objects[i].name, objects[i].run);
    }
}

static int conclude(struct recycle *r, struct error *err)
{
    for (size_t i = 0; i < r->spared.len; i++)
        fprintf(r->out, "%s\n", r->spared.items[i]);
    for (size_t i = 0; i < r->sweep.left.len; i++)
        fprintf(r->out, "left: %s\n", r->sweep.left.items[i]);
    if (error_is_set(&r->sweep.error)) {
        error_copy(err, &r->sweep.error);
        return error_exit_code(err->kind);
    }
    if (r->options->dry_run)
        fprintf(r->out, "%zu objects would be removed\n", r->seen);
    else
        fprintf(r->out, "%zu objects removed, %zu left\n", r->sweep.count, r->sweep.left.len);
    return r->sweep.left.len ? 4 : 0;
}

static int recycle_on(struct engine *engine, const struct recycle_options *options, FILE *out,
                      struct error *err)
{
    struct recycle r = {.options = options, .out = out};
    r.sweep = (struct sweep){.engine = engine,
                             .run = options->run,
                             .wanted = is_abandoned,
                             .removed = say_removed,
                             .done = swept,
                             .data = &r,
                             .deadline = clock_now() + RECYCLE_TIME};
    if (options->dry_run)
        engine->ops->list(engine, options->run, r.sweep.deadline, on_list, &r);
    else
        sweep_begin(&r.sweep);

    int code = loop_run(engine->loop, &r.stop, err) < 0 ? error_exit_code(err->kind)
                                                        : conclude(&r, err);
    strvec_deinit(&r.spared);
    sweep_deinit(&r.sweep);
    return code;
}

int recycle_execute(const struct settings *settings, const struct recycle_options *options,
                    FILE *out, struct error *err)
{
    struct engine_options where = settings_engine(settings);
    struct loop *loop = loop_new(err);
    struct engine *engine = loop ? engine_open(loop, &where, err) : NULL;
    int code = engine ? recycle_on(engine, options, out, err) : error_exit_code(err->kind);
    engine_free(engine);
    loop_free(loop);
    return code;
}

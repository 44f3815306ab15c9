/* SPDX-License-Identifier: Apache-2.0 */
#include "run/commons.h"

#include "report/text.h"

#define OUTPUT_WORDS 400 /* bytes of what went wrong, in a sentence */

/* One of its services, and whose namespace is being made in it. */
struct commons_service {
    struct commons *commons;
    size_t next; /* of the shards */
    struct engine_op *op;
};

/* --- namespaces ------------------------------------------------------------------------------ */

static void make_next(struct commons_service *m);

static struct shard_service *service_of(const struct commons_service *m)
{
    return &m->commons->world->services[m - m->commons->services];
}

/* In one line; release with free(). */
static char *what_they_said(const char *output)
{
    char *text = text_bounded(output, OUTPUT_WORDS);
    _cleanup_strvec_ struct strvec words = STRVEC_INIT;
    strvec_split(&words, text, " \t\r\n");
    free(text);
    return strvec_join(&words, " ");
}

static void fail(struct commons_service *m, enum engine_outcome outcome, int code,
                 const char *output, const struct error *err)
{
    const struct plan_service *plan = service_of(m)->plan;
    _cleanup_free_ char *said = what_they_said(output), *why = NULL;
    bool late = err && err->kind == ERROR_TIMEOUT;
    if (outcome == ENGINE_OK)
        why = xasprintf("exit code %d%s%s", code, *said ? ": " : "", said);
    else
        why = xstrdup(err && error_is_set(err) ? err->message : "its container does not run");
    shard_fail(m->commons->world, late ? ERROR_TIMEOUT : ERROR_SERVICE,
               "service '%s' (%s): the namespace of shard %d could not be made: %s", plan->name,
               plan->spec.image, m->commons->shards[m->next].number, why);
}

static void on_made(void *data, enum engine_outcome outcome, int code, const char *output,
                    const struct error *err)
{
    struct commons_service *m = data;
    struct shard *world = m->commons->world;
    m->op = NULL;
    if (world->state >= SHARD_TEARDOWN) {
        if (commons_gone(m->commons))
            m->commons->done(m->commons->data);
        return;
    }
    if (outcome != ENGINE_OK || code != 0) {
        fail(m, outcome, code, output, err);
        return;
    }
    shard_has_shared(&m->commons->shards[m->next++], (size_t)(m - m->commons->services));
    make_next(m);
}

static void make_next(struct commons_service *m)
{
    struct commons *c = m->commons;
    struct engine *engine = c->ctx->engine;
    size_t i = (size_t)(m - c->services);
    for (; m->next < c->shard_count; m->next++) {
        struct shard *s = &c->shards[m->next];
        const struct strvec *words = &s->services[i].plan->spec.namespace_words;
        if (s->state >= SHARD_TEARDOWN)
            continue;
        if (words->len) {
            m->op = engine->ops->container_exec(
                engine, service_of(m)->container.name, (const char *const *)words->items,
                clock_now() + c->ctx->settings->own.start_timeout, on_made, m);
            return;
        }
        shard_has_shared(s, i);
    }
}

/* --- the world ------------------------------------------------------------------------------- */

static void on_step(void *data, struct shard *world, struct shard_service *service)
{
    struct commons *c = data;
    if (service) {
        make_next(&c->services[service - world->services]);
        return;
    }
    if (world->state < SHARD_TEARDOWN) {
        c->there(c->data);
        return;
    }
    for (size_t i = 0; i < world->service_count; i++)
        if (c->services[i].op)
            c->ctx->engine->ops->cancel(c->ctx->engine, c->services[i].op);
    if (error_is_set(&world->error))
        c->failed(c->data, &world->error);
}

static void on_world_done(void *data, struct shard *world)
{
    struct commons *c = data;
    (void)world;
    if (commons_gone(c))
        c->done(c->data);
}

void commons_init(struct commons *c, struct run_context *ctx, struct shard *shards,
                  size_t shard_count)
{
    *c = (struct commons){.ctx = ctx, .shards = shards, .shard_count = shard_count};
    if (ctx->plan->commons.services.len == 0)
        return;
    c->world = xcalloc(1, sizeof(*c->world));
    shard_init(c->world, ctx, CONTEXT_COMMONS, on_world_done, c);
    c->world->on_step = on_step;
    c->services = xcalloc(c->world->service_count, sizeof(*c->services));
    for (size_t i = 0; i < c->world->service_count; i++)
        c->services[i].commons = c;
    ctx->commons = c->world;
}

void commons_deinit(struct commons *c)
{
    if (c->world)
        shard_deinit(c->world);
    free(c->world);
    free(c->services);
}

static void say_shared(const struct commons *c)
{
    for (size_t i = 0; i < c->world->service_count; i++) {
        const struct plan_service *plan = c->world->services[i].plan;
        if (!plan->shared)
            continue;
        _cleanup_free_ char *key = xasprintf("isolation %s", plan->name);
        _cleanup_free_ char *words = xasprintf("one for all shards, %s",
                                               plan->provider->namespaces);
        console_say(c->ctx->console, 0, "%s: %s", plan->name, words);
        journal_fact(c->ctx->journal, key, words);
    }
}

void commons_begin(struct commons *c, void (*there)(void *data),
                   void (*failed)(void *data, const struct error *err), void (*done)(void *data),
                   void *data)
{
    c->there = there;
    c->failed = failed;
    c->done = done;
    c->data = data;
    say_shared(c);
    shard_begin(c->world);
}

void commons_end(struct commons *c)
{
    if (c->world && c->world->state < SHARD_TEARDOWN)
        shard_stop(c->world, &ERROR_INIT);
}

bool commons_gone(const struct commons *c)
{
    if (!c->world)
        return true;
    for (size_t i = 0; i < c->world->service_count; i++)
        if (c->services[i].op)
            return false;
    return c->world->state == SHARD_DONE;
}

bool commons_container_died(struct commons *c, const char *name)
{
    return c->world && shard_container_died(c->world, name);
}

void commons_recheck(struct commons *c)
{
    if (c->world)
        shard_recheck(c->world);
}

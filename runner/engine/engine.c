/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/engine.h>
#include <cleanroom/strbuf.h>

#include "engine/choose.h"
#include "engine/docker/docker.h"
#include "engine/embedded/embedded.h"
#include "engine/embedded/obstacle.h"
#include "engine/store/resolve.h"

const char *object_kind_name(enum object_kind kind)
{
    static const char *const names[OBJECT_KINDS] = {
        [OBJECT_CONTAINER] = "container", [OBJECT_VOLUME] = "volume", [OBJECT_NETWORK] = "network",
        [OBJECT_IMAGE] = "image",         [OBJECT_WORLD] = "world",
    };
    return names[kind];
}

void image_info_deinit(struct image_info *info)
{
    free(info->id);
    free(info->digest);
    free(info->user);
    strvec_deinit(&info->entrypoint);
    strvec_deinit(&info->cmd);
    strvec_deinit(&info->env);
    strvec_deinit(&info->volumes);
    *info = (struct image_info){0};
}

static void close_store(struct store **store)
{
    store_close(*store);
}

/* NULL when the store can have them all, else why not; release with free(). */
static char *lacking_image(const struct strvec *images)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
    _cleanup_(close_store) struct store *store = store_open(NULL, &err);
    if (!store)
        return xasprintf("has no place for images: %s", err.message);
    for (size_t i = 0; i < images->len; i++)
        if (resolve_possible(store, images->items[i], &why) == 0)
            return xasprintf("cannot get its images: %s", why.buf);
    return NULL;
}

/* Why not the embedded one: what, as choose_facts.lacks has it, and how to mend it. */
struct lack {
    char *what;
    char *remedy; /* or NULL */
};

static void lack_deinit(struct lack *lack)
{
    free(lack->what);
    free(lack->remedy);
}

static struct engine *try_embedded(struct loop *loop, const struct engine_options *options,
                                   struct lack *lack)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct engine *engine = obstacle_check(&err) < 0 ? NULL : embedded_open(loop, options, &err);
    if (!engine) {
        lack->what = xasprintf("cannot run here: %s", err.message);
        lack->remedy = xstrdup(err.detail);
    } else if (options->engine == ENGINE_AUTO && options->images) {
        lack->what = lacking_image(options->images);
    }
    if (engine && lack->what)
        engine_free(TAKE_PTR(engine));
    return engine;
}

/* Both reasons in one sentence. */
static void add_reason(struct error *err, const struct lack *lack)
{
    if (!err || !lack->what)
        return;
    _cleanup_free_ char *daemon = err->message;
    err->message = xasprintf("the embedded engine %s; and %s; see 'cleanroom doctor'", lack->what,
                             daemon);
    if (lack->remedy)
        error_detail(err, "%s", lack->remedy);
}

struct engine *engine_open(struct loop *loop, const struct engine_options *options,
                           struct error *err)
{
    struct choose_facts facts = {.asked = options->engine, .network = options->network};
    _cleanup_(lack_deinit) struct lack lack = {0};
    _cleanup_free_ char *why = NULL;
    enum engine_choice choice;
    choose_daemon(&facts, options);
    if (choose(&facts, &choice, &why, err) < 0)
        return NULL;

    struct engine *engine = NULL;
    if (choice == ENGINE_EMBEDDED) {
        engine = try_embedded(loop, options, &lack);
        facts.lacks = lack.what;
        if (!engine && choose(&facts, &choice, &why, err) < 0) {
            if (err && lack.remedy)
                error_detail(err, "%s", lack.remedy);
            return NULL;
        }
    }
    if (!engine)
        engine = docker_open(loop, options, err);
    if (engine)
        engine->why = TAKE_PTR(why);
    else
        add_reason(err, &lack);
    return engine;
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    free(TAKE_PTR(engine->why));
    engine->ops->free(engine);
}

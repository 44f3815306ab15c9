/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/embedded.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/embedded/flow.h"
#include "engine/embedded/runtime.h"
#include "engine/embedded/state.h"

void tags_init(struct tags *tags, const struct labels *labels)
{
    *tags = (struct tags){
        .owner = xstrdup(labels->owner), .role = xstrdup(labels->role), .shard = labels->shard};
}

void tags_deinit(struct tags *tags)
{
    free(tags->owner);
    free(tags->role);
    *tags = (struct tags){0};
}

struct world *embedded_world(struct embedded *e, const struct labels *labels, struct error *err)
{
    for (struct world *w = e->worlds; w; w = w->next)
        if (strcmp(w->trace.run, labels->run) == 0)
            return w;
    return world_new(e, labels->run, labels->owner, err);
}

static void embedded_cancel(struct engine *engine, struct engine_op *op)
{
    (void)engine;
    task_cancel(op);
}

static void embedded_free(struct engine *engine)
{
    struct embedded *e = (struct embedded *)engine;
    while (e->ops)
        task_drop(e->ops);
    while (e->worlds) {
        embedded_forget(e->worlds);
        world_free(e->worlds);
    }
    while (e->images.len)
        image_release(e, e->images.items[0]->image.info.id);
    vec_deinit(&e->images);
    vec_deinit(&e->run_images);
    vec_deinit(&e->containers);
    vec_deinit(&e->volumes);
    vec_deinit(&e->networks);
    store_close(e->store);
    free(e->runtime);
    free(e->engine.kind);
    free(e->engine.version);
    free(e->engine.where);
    free(e);
}

static const struct engine_ops embedded_ops = {
    .image_resolve = embedded_image_resolve,
    .image_import = embedded_image_import,
    .network_create = embedded_network_create,
    .volume_create = embedded_volume_create,
    .container_create = embedded_container_create,
    .container_start = embedded_container_start,
    .container_inspect = embedded_container_inspect,
    .container_attach = embedded_container_attach,
    .container_input = embedded_container_input,
    .container_resize = embedded_container_resize,
    .container_archive = embedded_container_archive,
    .container_extract = embedded_container_extract,
    .container_signal = embedded_container_signal,
    .container_exec = embedded_container_exec,
    .container_commit = embedded_container_commit,
    .remove = embedded_remove,
    .list = embedded_list,
    .events = embedded_container_events,
    .cancel = embedded_cancel,
    .free = embedded_free,
};

static int count_cpus(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 0;
}

/* Two pipes for each container: shells allow 1024 as a rule, and more when asked. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

struct engine *embedded_open(struct loop *loop, const struct engine_options *options,
                             struct error *err)
{
    _cleanup_free_ char *runtime = runtime_find(err);
    _cleanup_free_ char *base = runtime ? trace_base(err) : NULL;
    struct store *store = base ? store_open(NULL, err) : NULL;
    if (!store)
        return NULL;
    raise_file_limit();
    struct embedded *e = xcalloc(1, sizeof(*e));
    e->engine = (struct engine){.ops = &embedded_ops,
                                .loop = loop,
                                .kind = xstrdup("embedded"),
                                .version = xstrdup(runtime),
                                .where = xasprintf("embedded:%s", base),
                                .cpus = count_cpus()};
    e->store = store;
    store_set_limit(store, options->image_cache);
    e->runtime = TAKE_PTR(runtime);
    e->network = options->network;
    e->scratch_on_disk = options->scratch_on_disk;
    return &e->engine;
}

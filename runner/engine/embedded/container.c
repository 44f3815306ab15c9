/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers: what main knows of them, and the operations that ask the keeper.
 */
#include <errno.h>
#include <fcntl.h>

#include <cleanroom/log.h>

#include "engine/embedded/bundle.h"
#include "engine/embedded/done.h"
#include "engine/embedded/flow.h"
#include "engine/embedded/publish.h"

struct container *container_by_name(struct embedded *e, const char *name)
{
    for (size_t i = 0; i < e->containers.len; i++)
        if (strcmp(e->containers.items[i]->name, name) == 0)
            return e->containers.items[i];
    return NULL;
}

struct container *container_by_id(struct embedded *e, uint32_t id)
{
    for (size_t i = 0; i < e->containers.len; i++)
        if (e->containers.items[i]->id == id)
            return e->containers.items[i];
    return NULL;
}

static void container_free(struct container *c)
{
    tags_deinit(&c->tags);
    vec_deinit(&c->volumes);
    free(c->name);
    free(c->image);
    free(c->hostname);
    free(c->network);
    free(c->error);
    free(c);
}

void container_drop(struct container *c)
{
    struct embedded *e = c->world->engine;
    for (size_t i = 0; i < e->containers.len; i++)
        if (e->containers.items[i] == c)
            e->containers.items[i] = e->containers.items[--e->containers.len];
    flow_end(c);
    container_free(c);
}

void container_ended(struct container *c, const struct answer *died)
{
    c->phase = PHASE_ENDED;
    c->exit_code = died->code;
    c->oom = died->oom;
    input_end(c);
    if (c->oom)
        container_tell(c, EVENT_OOM);
    container_tell(c, EVENT_DIED);
    flow_settle(c);
}

/* --- create ---------------------------------------------------------------------------------- */

static void copy_strings(struct strvec *to, const char *const *from)
{
    for (; from && *from; from++)
        strvec_push(to, *from);
}

static int add_mounts(struct embedded *e, struct container *c, const struct container_spec *spec,
                      struct recipe *r, struct error *err)
{
    for (size_t i = 0; i < spec->mount_count; i++) {
        const struct mount *m = &spec->mounts[i];
        struct recipe_mount *to = vec_push(&r->mounts);
        to->kind = (int)m->kind;
        to->target = xstrdup(m->target);
        to->options = xstrdup(m->options);
        if (m->kind != MOUNT_VOLUME)
            continue;
        struct volume *v = volume_by_name(e, m->volume);
        if (!v || v->world != c->world)
            return error_set(err, ERROR_ENGINE, "embedded: no such volume '%s'", m->volume);
        to->volume = v->id;
        *vec_push(&c->volumes) = v->id;
    }
    return 0;
}

static int add_pod(struct embedded *e, struct container *c, const struct container_spec *spec,
                   struct recipe *r, struct error *err)
{
    if (!spec->pod) {
        c->hostname = bundle_hostname(spec);
        return 0;
    }
    struct container *pod = container_by_name(e, spec->pod);
    if (!pod || pod->world != c->world)
        return error_set(err, ERROR_ENGINE, "embedded: no such pod '%s'", spec->pod);
    r->pod = pod->id;
    c->hostname = xstrdup(pod->hostname);
    return 0;
}

static void copy_image(struct recipe *r, const struct store_image *image)
{
    const struct image_info *from = &image->info;
    r->image.id = xstrdup(from->id);
    r->image.user = xstrdup(from->user);
    strvec_append(&r->image.entrypoint, &from->entrypoint);
    strvec_append(&r->image.cmd, &from->cmd);
    strvec_append(&r->image.env, &from->env);
    strvec_append(&r->image.volumes, &from->volumes);
    r->working_dir = xstrdup(image->working_dir);
    strvec_append(&r->layers, &image->layers);
}

static void copy_spec(struct recipe *r, const struct container_spec *spec)
{
    r->name = xstrdup(spec->name);
    r->user = xstrdup(spec->user);
    r->has_entrypoint = spec->entrypoint != NULL;
    r->has_argv = spec->argv != NULL;
    copy_strings(&r->entrypoint, spec->entrypoint);
    copy_strings(&r->argv, spec->argv);
    copy_strings(&r->env, spec->env);
    r->outside = spec->network != NULL;
    r->ours = spec->ours;
    r->input = spec->input;
    r->terminal = spec->input && spec->terminal;
    if (r->terminal) {
        r->rows = spec->terminal->rows;
        r->columns = spec->terminal->columns;
    }
    r->memory = spec->memory;
    r->shm_size = spec->shm_size;
    r->cpu = spec->cpu;
    r->pids = spec->pids;
}

static int fill_recipe(struct embedded *e, struct container *c, const struct container_spec *spec,
                       struct recipe *r, struct error *err)
{
    struct held_image *image = image_held(e, spec->image);
    c->image = xstrdup(image->image.info.id);
    copy_spec(r, spec);
    copy_image(r, &image->image);
    if (add_pod(e, c, spec, r, err) < 0 || add_mounts(e, c, spec, r, err) < 0)
        return -1;
    r->hostname = xstrdup(c->hostname);
    return 0;
}

static void on_created(struct world *w, struct call *call, const struct answer *a)
{
    struct container *c = container_by_id(w->engine, call->object);
    if (c && a->outcome == ENGINE_OK)
        c->phase = PHASE_CREATED;
    else if (c)
        container_drop(c);
    done_answered(w, call, a);
}

static int send_recipe(struct container *c, const struct container_spec *spec,
                       struct recipe *recipe, struct done_op *op, struct error *err)
{
    int ends[2][2], fds[3 + PUBLISH_MAX];
    size_t count = 2;
    if (flow_open(c, ends) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "no pipes for the container's output");
    fds[0] = ends[0][1];
    fds[1] = ends[1][1];
    c->terminal = recipe->terminal;
    if (recipe->input) {
        fds[count] = input_open(c);
        if (fds[count++] < 0)
            error_set_errno(err, ERROR_INTERNAL, errno, "nothing for the container's input");
    }
    if (fds[count - 1] < 0 || publish_open(spec, recipe, fds + count, err) < 0) {
        for (size_t i = 0; i < count; i++)
            if (fds[i] >= 0)
                close(fds[i]);
        return -1;
    }
    struct request r = {.kind = REQUEST_MAKE, .object = c->id, .recipe = *recipe};
    op->world = c->world;
    world_call(c->world, &r, fds, count + spec->publish_count,
               &(struct call){.answered = on_created, .object = c->id, .op = &op->op});
    return 0;
}

static void warn_of_limits(struct world *w, const struct container_spec *spec)
{
    if ((!spec->memory && !spec->cpu && !spec->pids) || w->cgroups.version || w->warned)
        return;
    w->warned = true;
    log_warning("limits of memory, CPU and processes are not held: %s; see 'cleanroom doctor'",
                w->cgroups.why);
}

struct engine_op *embedded_container_create(struct engine *engine,
                                            const struct container_spec *spec, nsec_t deadline,
                                            engine_done_fn done, void *data)
{
    struct embedded *e = (struct embedded *)engine;
    struct done_op *op = done_new(engine, deadline, done, data);
    _cleanup_error_ struct error err = ERROR_INIT;
    if (!image_held(e, spec->image)) {
        task_settle(&op->op, ENGINE_NOT_FOUND, NULL);
        return &op->op;
    }
    if (container_by_name(e, spec->name)) {
        task_settle(&op->op, ENGINE_CONFLICT, NULL);
        return &op->op;
    }
    struct world *w = embedded_world(e, &spec->labels, &err);
    if (!w) {
        task_settle(&op->op, ENGINE_FAILED, &err);
        return &op->op;
    }

    warn_of_limits(w, spec);
    struct container *c = xcalloc(1, sizeof(*c));
    *vec_push(&e->containers) = c;
    *c = (struct container){
        .id = ++e->last_object, .name = xstrdup(spec->name), .world = w, .out = {-1, -1}, .in = -1};
    tags_init(&c->tags, &spec->labels);
    c->network = xstrdup(spec->pod ? NULL : spec->network);
    struct recipe recipe = {0};
    if (fill_recipe(e, c, spec, &recipe, &err) < 0 || send_recipe(c, spec, &recipe, op, &err) < 0) {
        container_drop(c);
        task_settle(&op->op, ENGINE_FAILED, &err);
    }
    recipe_deinit(&recipe);
    return &op->op;
}

/* --- start, signal, inspect ------------------------------------------------------------------ */

static void on_started(struct world *w, struct call *call, const struct answer *a)
{
    struct container *c = container_by_id(w->engine, call->object);
    if (c && a->outcome == ENGINE_OK) {
        c->phase = PHASE_RUNNING;
        container_tell(c, EVENT_STARTED);
        input_begin(c);
        flow_begin(c);
    } else if (c && a->outcome == ENGINE_FAILED) {
        c->phase = PHASE_ENDED;
        c->exit_code = a->code;
        replace_str(&c->error, a->text);
        flow_end(c);
    }
    done_answered(w, call, a);
}

static struct engine_op *ask(struct engine *engine, struct container *c, struct request *r,
                             call_fn answered, nsec_t deadline, engine_done_fn done, void *data)
{
    struct done_op *op = done_new(engine, deadline, done, data);
    op->world = c->world;
    r->object = c->id;
    world_call(c->world, r, NULL, 0,
               &(struct call){.answered = answered, .object = c->id, .op = &op->op});
    return &op->op;
}

static struct engine_op *refuse(struct engine *engine, enum engine_outcome outcome, nsec_t deadline,
                                engine_done_fn done, void *data)
{
    struct done_op *op = done_new(engine, deadline, done, data);
    task_settle(&op->op, outcome, NULL);
    return &op->op;
}

struct engine_op *embedded_container_start(struct engine *engine, const char *name, nsec_t deadline,
                                           engine_done_fn done, void *data)
{
    struct container *c = container_by_name((struct embedded *)engine, name);
    if (!c || c->phase != PHASE_CREATED || c->removing)
        return refuse(engine, c ? ENGINE_CONFLICT : ENGINE_NOT_FOUND, deadline, done, data);
    c->phase = PHASE_STARTING;
    struct request r = {.kind = REQUEST_START};
    return ask(engine, c, &r, on_started, deadline, done, data);
}

struct engine_op *embedded_container_signal(struct engine *engine, const char *name, int signal,
                                            nsec_t deadline, engine_done_fn done, void *data)
{
    struct container *c = container_by_name((struct embedded *)engine, name);
    if (!c || c->phase != PHASE_RUNNING)
        return refuse(engine, c ? ENGINE_CONFLICT : ENGINE_NOT_FOUND, deadline, done, data);
    struct request r = {.kind = REQUEST_SIGNAL, .signal = signal};
    return ask(engine, c, &r, done_answered, deadline, done, data);
}

struct state_op {
    struct engine_op op;
    engine_state_fn done;
    char *name;
};

/* As it is when it is told. */
static void state_complete(struct engine_op *op, enum engine_outcome outcome,
                           const struct error *err)
{
    struct state_op *s = (struct state_op *)op;
    const struct container *c = container_by_name(op->engine, s->name);
    if (outcome == ENGINE_OK && !c)
        outcome = ENGINE_NOT_FOUND;
    struct container_state state = {0};
    if (outcome == ENGINE_OK)
        state = (struct container_state){.running = c->phase == PHASE_RUNNING,
                                         .exit_code = c->exit_code,
                                         .oom_killed = c->oom,
                                         .error = c->error ? c->error : ""};
    s->done(op->data, outcome, outcome == ENGINE_OK ? &state : NULL, err);
}

static void state_release(struct engine_op *op)
{
    free(((struct state_op *)op)->name);
}

struct engine_op *embedded_container_inspect(struct engine *engine, const char *name,
                                             nsec_t deadline, engine_state_fn done, void *data)
{
    static const struct task_class class = {.complete = state_complete, .release = state_release};
    struct state_op *op = task_new(engine, &class, sizeof(*op), deadline, data);
    op->done = done;
    op->name = xstrdup(name);
    task_settle(&op->op, ENGINE_OK, NULL);
    return &op->op;
}

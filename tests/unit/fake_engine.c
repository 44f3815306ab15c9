/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_engine.h"

#include <signal.h>
#include <string.h>

#include <cleanroom/strbuf.h>

#include "satellite/satellite.h"

size_t fake_engine_last_count, fake_engine_last_ops;
const char *fake_engine_last_faulted;

struct object {
    struct strvec sinks; /* of a holder: what its satellite serves */
    enum object_kind kind;
    char *name, *run, *role;
    bool running, exited;
    int exit_code;
    int asked; /* how often */
    struct engine_op *attach;
    struct object *next;
};

enum op_kind {
    OP_RESOLVE,
    OP_IMPORT,
    OP_NETWORK,
    OP_VOLUME,
    OP_CREATE,
    OP_START,
    OP_INSPECT,
    OP_ATTACH,
    OP_ARCHIVE,
    OP_EXTRACT,
    OP_SIGNAL,
    OP_INPUT,
    OP_RESIZE,
    OP_EXEC,
    OP_COMMIT,
    OP_REMOVE,
    OP_LIST,
    OP_KEPT,
    OP_EVENTS,
};

static const char *const op_names[] = {"resolve", "import",  "network", "volume",  "create",
                                       "start",   "inspect", "attach",  "archive", "extract",
                                       "signal",  "input",   "resize",  "exec",    "commit",
                                       "remove",  "list",    "kept",    "events"};

struct engine_op {
    struct fake *fake;
    enum op_kind kind;
    enum fake_fault fault;
    bool cancelled, ready_told;
    char *name;
    char *image;   /* COMMIT: its name */
    int number;    /* SIGNAL; INPUT: whether it is the last */
    int exit_code; /* EXEC */
    nsec_t deadline;
    struct loop_timer timer;
    void (*ready)(void *data);
    engine_done_fn done;
    engine_image_fn image_done;
    engine_state_fn state_done;
    engine_exit_fn exit_done;
    engine_list_fn list_done;
    engine_kept_fn kept_done;
    engine_output_fn output;
    engine_event_fn event;
    void *data;
    struct engine_op *next;
};

struct fake {
    struct engine engine;
    struct fake_options options;
    struct object *objects;
    struct engine_op *ops;
    size_t op_count;
    struct strvec kept; /* names of images that are no run's */
};

static struct object *find(struct fake *f, enum object_kind kind, const char *name)
{
    for (struct object *o = f->objects; o; o = o->next)
        if (o->kind == kind && strcmp(o->name, name) == 0)
            return o;
    return NULL;
}

static struct object *add(struct fake *f, enum object_kind kind, const char *name,
                          const struct labels *labels)
{
    struct object *o = xcalloc(1, sizeof(*o));
    o->kind = kind;
    o->name = xstrdup(name);
    o->run = xstrdup(labels->run);
    o->role = xstrdup(labels->role ? labels->role : "");
    o->next = f->objects;
    f->objects = o;
    return o;
}

static void free_object(struct object *o)
{
    free(o->name);
    free(o->run);
    free(o->role);
    strvec_deinit(&o->sinks);
    free(o);
}

static void free_op(struct engine_op *op)
{
    struct engine_op **p = &op->fake->ops;
    while (*p != op)
        p = &(*p)->next;
    *p = op->next;
    loop_timer_disarm(op->fake->engine.loop, &op->timer);
    free(op->name);
    free(op->image);
    free(op);
}

/* Every image is there, but what nobody has kept. */
static bool is_there(const struct fake *f, const char *ref)
{
    bool ours = strstr(ref, "cleanroom-snapshot:") || strstr(ref, "cleanroom-satellite:");
    return !ours || strvec_contains(&f->kept, ref) ||
           (strncmp(ref, "sha256:", 7) == 0 && strvec_contains(&f->kept, ref + 7));
}

/* --- completion ------------------------------------------------------------------------------ */

/* As PostgreSQL's image says it, for all. */
static struct image_info image_of(const char *name)
{
    struct image_info info = {.id = xasprintf("sha256:%s", name), .user = xstrdup("")};
    strvec_push(&info.entrypoint, "docker-entrypoint.sh");
    strvec_push(&info.env, "PG_MAJOR=16");
    strvec_push(&info.env, "PGDATA=/data");
    strvec_push(&info.volumes, "/data");
    return info;
}

static void complete_list(struct engine_op *op, enum engine_outcome outcome, struct error *err)
{
    VEC(struct object_info) infos = {0};
    for (struct object *o = op->fake->objects; o; o = o->next)
        *vec_push(&infos) = (struct object_info){.kind = o->kind,
                                                 .name = xstrdup(o->name),
                                                 .run = xstrdup(o->run),
                                                 .owner = "",
                                                 .role = ""};
    op->list_done(op->data, outcome, infos.items, outcome == ENGINE_OK ? infos.len : 0, err);
    for (size_t i = 0; i < infos.len; i++) {
        free((char *)infos.items[i].name);
        free((char *)infos.items[i].run);
    }
    vec_deinit(&infos);
}

/* What is kept, each made just now. */
static void complete_kept(struct engine_op *op, enum engine_outcome outcome,
                          const struct error *err)
{
    VEC(struct kept_image) images = {0};
    for (size_t i = 0; outcome == ENGINE_OK && i < op->fake->kept.len; i++)
        *vec_push(&images) = (struct kept_image){.id = op->fake->kept.items[i],
                                                 .name = op->fake->kept.items[i],
                                                 .created = clock_wall()};
    op->kept_done(op->data, outcome, images.items, images.len, err);
    vec_deinit(&images);
}

static void complete(struct engine_op *op, enum engine_outcome outcome, enum error_kind kind)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    if (outcome == ENGINE_FAILED || outcome == ENGINE_CANCELLED)
        error_set(&err, kind, "fake fault in %s", op_names[op->kind]);

    if (op->kind == OP_RESOLVE || op->kind == OP_IMPORT || op->kind == OP_COMMIT) {
        struct image_info info = image_of(op->image ? op->image : op->name);
        op->image_done(op->data, outcome, outcome == ENGINE_OK ? &info : NULL, &err);
        image_info_deinit(&info);
    } else if (op->kind == OP_INSPECT) {
        struct object *o = find(op->fake, OBJECT_CONTAINER, op->name);
        struct container_state state = {.error = ""};
        if (o)
            state = (struct container_state){
                .running = o->running, .exit_code = o->exit_code, .error = ""};
        op->state_done(op->data, outcome, &state, &err);
    } else if (op->kind == OP_EXEC) {
        op->exit_done(op->data, outcome, op->exit_code, "", &err);
    } else if (op->kind == OP_LIST) {
        complete_list(op, outcome, &err);
    } else if (op->kind == OP_KEPT) {
        complete_kept(op, outcome, &err);
    } else {
        op->done(op->data, outcome, &err);
    }
    free_op(op);
}

/* --- effects --------------------------------------------------------------------------------- */

static void say(struct object *o, const char *text)
{
    if (o->attach && o->attach->output)
        o->attach->output(o->attach->data, OUTPUT_STDOUT, text, strlen(text));
}

static void step(void *data);

static void wake(struct engine_op *op)
{
    loop_timer_arm(op->fake->engine.loop, &op->timer, clock_now(), step, op);
}

static void exit_container(struct object *o, int code)
{
    o->running = false;
    o->exited = true;
    o->exit_code = code;
    if (o->attach)
        wake(o->attach);
}

/* The satellite of the same shard sees the service come up. */
static void probe_service(struct fake *f, const struct object *service)
{
    size_t pod = (size_t)(strrchr(service->name, '-') - service->name);
    if (strcmp(service->role, "asked") == 0)
        return; /* it is asked by words in its container */
    if (strcmp(service->role, "heard") == 0)
        return; /* it has said so */
    for (struct object *o = f->objects; o; o = o->next) {
        if (strcmp(o->role, "holder") != 0 || strncmp(o->name, service->name, pod) != 0)
            continue;
        _cleanup_free_ char *line = xasprintf("ready %s 1000\n", service->role);
        say(o, line);
    }
}

static void come_up(struct object *holder)
{
    say(holder, "up\n");
    for (size_t i = 0; i < holder->sinks.len; i++) {
        _cleanup_free_ char *line = xasprintf("ready %s 1000\n", holder->sinks.items[i]);
        say(holder, line);
    }
}

static enum engine_outcome start_container(struct fake *f, const char *name)
{
    struct object *o = find(f, OBJECT_CONTAINER, name);
    if (!o)
        return ENGINE_NOT_FOUND;
    o->running = true;
    if (strcmp(o->role, "holder") == 0)
        come_up(o);
    else if (strcmp(o->role, "test") == 0 || strcmp(o->role, "deploy") == 0)
        exit_container(o, f->options.app_exit);
    else if (strcmp(o->role, "heard") == 0)
        say(o, "I am up\n");
    else
        probe_service(f, o);
    return ENGINE_OK;
}

static enum engine_outcome remove_object(struct fake *f, enum object_kind kind, const char *name)
{
    for (struct object **p = &f->objects; *p; p = &(*p)->next) {
        struct object *o = *p;
        if (o->kind != kind || strcmp(o->name, name) != 0)
            continue;
        *p = o->next;
        if (o->attach) {
            o->attach->name[0] = '\0'; /* its end: see step_attach() */
            wake(o->attach);
        }
        free_object(o);
        return ENGINE_OK;
    }
    return ENGINE_NOT_FOUND;
}

static enum engine_outcome signal_container(struct fake *f, const char *name, int number)
{
    struct object *o = find(f, OBJECT_CONTAINER, name);
    if (!o)
        return ENGINE_NOT_FOUND;
    if (!o->running)
        return ENGINE_CONFLICT;
    if (number == SATELLITE_FLUSH)
        say(o, SATELLITE_FLUSHED "\n");
    else
        exit_container(o, 0);
    return ENGINE_OK;
}

static enum engine_outcome exec_in(struct engine_op *op)
{
    struct object *o = find(op->fake, OBJECT_CONTAINER, op->name);
    if (!o || !o->running)
        return ENGINE_CONFLICT;
    op->exit_code = o->asked++ < op->fake->options.not_yet;
    return ENGINE_OK;
}

static enum engine_outcome take_input(struct engine_op *op)
{
    struct object *o = find(op->fake, OBJECT_CONTAINER, op->name);
    if (!o || !o->running)
        return ENGINE_CONFLICT;
    if (op->number)
        exit_container(o, op->fake->options.app_exit);
    return ENGINE_OK;
}

static enum engine_outcome effect(struct engine_op *op)
{
    struct fake *f = op->fake;
    switch (op->kind) {
    case OP_START:
        return start_container(f, op->name);
    case OP_RESOLVE:
        return is_there(f, op->name) ? ENGINE_OK : ENGINE_FAILED;
    case OP_EXEC:
        return exec_in(op);
    case OP_INPUT:
        return take_input(op);
    case OP_SIGNAL:
        return signal_container(f, op->name, op->number);
    case OP_INSPECT:
    case OP_RESIZE:
    case OP_ARCHIVE:
    case OP_EXTRACT:
    case OP_COMMIT:
        return find(f, OBJECT_CONTAINER, op->name) ? ENGINE_OK : ENGINE_NOT_FOUND;
    default:
        return ENGINE_OK;
    }
}

static void step_attach(struct engine_op *op)
{
    struct object *o = find(op->fake, OBJECT_CONTAINER, op->name);
    if (!op->ready_told) {
        op->ready_told = true;
        if (o)
            o->attach = op;
        op->ready(op->data);
        return;
    }
    if (o && !o->exited)
        return;
    if (o)
        o->attach = NULL;
    complete(op, ENGINE_OK, ERROR_NONE);
}

static void step(void *data)
{
    struct engine_op *op = data;
    if (op->cancelled) {
        struct object *o = op->kind == OP_ATTACH ? find(op->fake, OBJECT_CONTAINER, op->name)
                                                 : NULL;
        if (o)
            o->attach = NULL;
        complete(op, ENGINE_CANCELLED, ERROR_CANCELLED);
        return;
    }
    if (op->fault == FAULT_HANG) {
        if (clock_now() >= op->deadline)
            complete(op, ENGINE_FAILED, ERROR_TIMEOUT);
        else
            loop_timer_arm(op->fake->engine.loop, &op->timer, op->deadline, step, op);
        return;
    }
    if (op->fault == FAULT_FAIL || op->fault == FAULT_LATE) {
        if (op->fault == FAULT_LATE)
            (void)effect(op);
        complete(op, ENGINE_FAILED, ERROR_ENGINE);
        return;
    }
    if (op->fault == FAULT_SIGNAL) {
        op->fault = FAULT_NONE;
        kill(getpid(), SIGINT);
    }
    if (op->kind == OP_ATTACH) {
        step_attach(op);
    } else if (op->kind == OP_EVENTS) {
        if (!op->ready_told)
            op->ready(op->data);
        op->ready_told = true;
    } else {
        complete(op, effect(op), ERROR_ENGINE);
    }
}

/* --- the vtable ------------------------------------------------------------------------------ */

static struct engine_op *begin(struct engine *engine, enum op_kind kind, const char *name,
                               nsec_t deadline, void *data)
{
    struct fake *f = container_of(engine, struct fake, engine);
    struct engine_op *op = xcalloc(1, sizeof(*op));
    *op = (struct engine_op){.fake = f,
                             .kind = kind,
                             .name = xstrdup(name),
                             .deadline = deadline,
                             .data = data,
                             .next = f->ops};
    f->ops = op;
    f->engine.requests++;
    if (++f->op_count == f->options.fault_at) {
        op->fault = f->options.fault;
        bool look = kind == OP_RESOLVE && !is_there(f, name);
        fake_engine_last_faulted = look ? "look" : op_names[kind];
    }
    wake(op);
    return op;
}

/* What makes objects makes them at once, unless the fault forbids it. */
static bool has_effect(const struct engine_op *op)
{
    return op->fault != FAULT_FAIL && op->fault != FAULT_HANG;
}

static struct engine_op *image_resolve(struct engine *e, const char *ref, enum pull_policy policy,
                                       nsec_t deadline, engine_progress_fn progress,
                                       engine_image_fn done, void *data)
{
    (void)policy;
    struct engine_op *op = begin(e, OP_RESOLVE, ref, deadline, data);
    op->image_done = done;
    if (progress)
        progress(data, ref, 1, 2);
    return op;
}

static struct engine_op *image_import(struct engine *e, const char *name,
                                      const struct labels *labels, const char *const *entrypoint,
                                      const void *tar, size_t len, nsec_t deadline,
                                      engine_image_fn done, void *data)
{
    (void)entrypoint, (void)tar, (void)len;
    struct engine_op *op = begin(e, OP_IMPORT, name, deadline, data);
    op->image_done = done;
    if (has_effect(op) && labels)
        add(op->fake, OBJECT_IMAGE, name, labels);
    else if (has_effect(op))
        strvec_push(&op->fake->kept, name);
    return op;
}

static struct engine_op *make(struct engine *e, enum op_kind op_kind, enum object_kind kind,
                              const char *name, const struct labels *labels, nsec_t deadline,
                              engine_done_fn done, void *data)
{
    struct engine_op *op = begin(e, op_kind, name, deadline, data);
    op->done = done;
    if (has_effect(op))
        add(op->fake, kind, name, labels);
    return op;
}

static struct engine_op *network_create(struct engine *e, const char *name,
                                        const struct labels *labels, nsec_t deadline,
                                        engine_done_fn done, void *data)
{
    return make(e, OP_NETWORK, OBJECT_NETWORK, name, labels, deadline, done, data);
}

static struct engine_op *volume_create(struct engine *e, const char *name,
                                       const struct labels *labels, nsec_t deadline,
                                       engine_done_fn done, void *data)
{
    return make(e, OP_VOLUME, OBJECT_VOLUME, name, labels, deadline, done, data);
}

static struct engine_op *container_create(struct engine *e, const struct container_spec *spec,
                                          nsec_t deadline, engine_done_fn done, void *data)
{
    struct engine_op *op = make(e, OP_CREATE, OBJECT_CONTAINER, spec->name, &spec->labels, deadline,
                                done, data);
    struct object *o = find(op->fake, OBJECT_CONTAINER, spec->name);
    for (size_t i = 0; o && spec->argv && spec->argv[i]; i++)
        if (strcmp(spec->argv[i], "--sink") == 0)
            strvec_take(&o->sinks, xstrndup(spec->argv[i + 1], strcspn(spec->argv[i + 1], ":")));
    return op;
}

static struct engine_op *container_start(struct engine *e, const char *name, nsec_t deadline,
                                         engine_done_fn done, void *data)
{
    struct engine_op *op = begin(e, OP_START, name, deadline, data);
    op->done = done;
    return op;
}

static struct engine_op *container_inspect(struct engine *e, const char *name, nsec_t deadline,
                                           engine_state_fn done, void *data)
{
    struct engine_op *op = begin(e, OP_INSPECT, name, deadline, data);
    op->state_done = done;
    return op;
}

static struct engine_op *container_attach(struct engine *e, const char *name,
                                          void (*ready)(void *data), engine_output_fn output,
                                          engine_done_fn done, void *data)
{
    struct engine_op *op = begin(e, OP_ATTACH, name, NSEC_INFINITY, data);
    op->ready = ready;
    op->output = output;
    op->done = done;
    return op;
}

static struct engine_op *container_archive(struct engine *e, const char *name, const char *path,
                                           nsec_t deadline, engine_bytes_fn bytes,
                                           engine_done_fn done, void *data)
{
    static const char empty_tar[1024];
    (void)path;
    struct engine_op *op = begin(e, OP_ARCHIVE, name, deadline, data);
    op->done = done;
    bytes(data, empty_tar, sizeof(empty_tar));
    return op;
}

static struct engine_op *container_extract(struct engine *e, const char *name, const char *path,
                                           const void *tar, size_t len, nsec_t deadline,
                                           engine_done_fn done, void *data)
{
    (void)path, (void)tar, (void)len;
    struct engine_op *op = begin(e, OP_EXTRACT, name, deadline, data);
    op->done = done;
    return op;
}

static struct engine_op *container_signal(struct engine *e, const char *name, int number,
                                          nsec_t deadline, engine_done_fn done, void *data)
{
    struct engine_op *op = begin(e, OP_SIGNAL, name, deadline, data);
    op->done = done;
    op->number = number;
    if (op->fault && number == SATELLITE_FLUSH)
        fake_engine_last_faulted = "flush";
    return op;
}

static struct engine_op *container_input(struct engine *e, const char *name, const void *bytes,
                                         size_t len, engine_done_fn done, void *data)
{
    /* Nobody waits for ever for a shell that reads nothing: he interrupts it. */
    struct engine_op *op = begin(e, OP_INPUT, name, NSEC_INFINITY, data);
    op->done = done;
    op->number = len && memchr(bytes, 'x', len);
    if (op->fault == FAULT_HANG)
        kill(getpid(), SIGINT);
    return op;
}

static struct engine_op *container_resize(struct engine *e, const char *name,
                                          struct terminal_size size, nsec_t deadline,
                                          engine_done_fn done, void *data)
{
    (void)size;
    struct engine_op *op = begin(e, OP_RESIZE, name, deadline, data);
    op->done = done;
    return op;
}

static struct engine_op *container_exec(struct engine *e, const char *name, const char *const *argv,
                                        nsec_t deadline, engine_exit_fn done, void *data)
{
    struct engine_op *op = begin(e, OP_EXEC, name, deadline, data);
    (void)argv;
    op->exit_done = done;
    return op;
}

/* The image's id is made of its name: see image_of(). */
static struct engine_op *container_commit(struct engine *e, const char *name,
                                          const struct commit_spec *spec, nsec_t deadline,
                                          engine_image_fn done, void *data)
{
    struct engine_op *op = begin(e, OP_COMMIT, name, deadline, data);
    op->image_done = done;
    op->image = xstrdup(spec->name);
    if (has_effect(op))
        strvec_push(&op->fake->kept, spec->name);
    return op;
}

static struct engine_op *remove_op(struct engine *e, enum object_kind kind, const char *name,
                                   nsec_t deadline, engine_done_fn done, void *data)
{
    struct engine_op *op = begin(e, OP_REMOVE, name, deadline, data);
    op->done = done;
    if (has_effect(op))
        (void)remove_object(op->fake, kind, name);
    return op;
}

static struct engine_op *list(struct engine *e, const char *run, nsec_t deadline,
                              engine_list_fn done, void *data)
{
    (void)run;
    struct engine_op *op = begin(e, OP_LIST, "", deadline, data);
    op->list_done = done;
    return op;
}

static struct engine_op *list_kept(struct engine *e, nsec_t deadline, engine_kept_fn done,
                                   void *data)
{
    struct engine_op *op = begin(e, OP_KEPT, "", deadline, data);
    op->kept_done = done;
    return op;
}

static struct engine_op *events(struct engine *e, const char *run, void (*ready)(void *data),
                                engine_event_fn event, engine_done_fn done, void *data)
{
    struct engine_op *op = begin(e, OP_EVENTS, run, NSEC_INFINITY, data);
    op->ready = ready;
    op->event = event;
    op->done = done;
    return op;
}

static void cancel(struct engine *e, struct engine_op *op)
{
    (void)e;
    op->cancelled = true;
    wake(op);
}

static size_t count_objects(const struct engine *engine)
{
    const struct fake *f = container_of(engine, struct fake, engine);
    size_t count = 0;
    for (struct object *o = f->objects; o; o = o->next)
        count++;
    return count;
}

static void fake_free(struct engine *engine)
{
    struct fake *f = container_of(engine, struct fake, engine);
    fake_engine_last_count = count_objects(engine);
    fake_engine_last_ops = f->op_count;
    while (f->ops)
        free_op(f->ops);
    for (struct object *o = f->objects, *next; o; o = next) {
        next = o->next;
        free_object(o);
    }
    strvec_deinit(&f->kept);
    free(f);
}

struct engine *fake_engine_new(struct loop *loop, const struct fake_options *options)
{
    static const struct engine_ops ops = {
        .image_resolve = image_resolve,
        .image_import = image_import,
        .network_create = network_create,
        .volume_create = volume_create,
        .container_create = container_create,
        .container_start = container_start,
        .container_inspect = container_inspect,
        .container_attach = container_attach,
        .container_archive = container_archive,
        .container_extract = container_extract,
        .container_signal = container_signal,
        .container_input = container_input,
        .container_resize = container_resize,
        .container_exec = container_exec,
        .container_commit = container_commit,
        .remove = remove_op,
        .list = list,
        .list_kept = list_kept,
        .events = events,
        .cancel = cancel,
        .free = fake_free,
    };
    struct fake *f = xcalloc(1, sizeof(*f));
    f->options = *options;
    f->engine = (struct engine){.ops = &ops,
                                .loop = loop,
                                .kind = (char *)"fake",
                                .version = (char *)"1",
                                .where = (char *)"memory",
                                .cpus = 2};
    fake_engine_last_faulted = NULL;
    return &f->engine;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/direct/direct.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "engine/direct/supervisor.h"
#include "engine/embedded/pack.h"
#include "engine/store/tree.h"

#define FREE_WAIT_MS  5000
#define REMOVE_ROUNDS 100
#define REMOVE_PAUSE  20 /* ms */

enum phase {
    PHASE_CREATED,
    PHASE_RUNNING,
    PHASE_ENDED,
};

/* A program. */
struct local {
    struct direct *direct;
    char *name;
    struct strvec argv, env, dirs;
    enum phase phase;
    bool dropping; /* forgotten when it has ended */
    struct supervisor supervisor;
    int exit_code;
    int out[2];                          /* where its output comes from; -1: at its end */
    struct engine_op *attach, *removing; /* or NULL */
};

/* An operation on one of them. */
struct engine_op {
    struct direct *direct;
    struct local *local; /* ATTACH */
    char *name;          /* whom it is about */
    void *data;
    engine_done_fn done;
    engine_state_fn state;
    engine_exit_fn exited;
    engine_image_fn image;
    engine_output_fn output;
    engine_bytes_fn bytes;
    void (*ready)(void *data);
    bool settled, is_ready;
    enum engine_outcome outcome;
    struct error failure;
    struct loop_timer timer;
    int fd;      /* of an archive, or -1 */
    pid_t child; /* the same */
};

struct direct {
    struct engine engine;  /* first: what the caller holds */
    struct engine_ops ops; /* without what the other engine has not */
    struct engine *inner;
    char *scratch;
    VEC(struct local *) locals;
    VEC(struct engine_op *) flying;
};

static struct direct *direct_of(struct engine *engine)
{
    return (struct direct *)engine;
}

static struct engine *inner_of(struct engine *engine)
{
    engine->requests++;
    return direct_of(engine)->inner;
}

static struct local *find(struct engine *engine, const char *name)
{
    struct direct *d = direct_of(engine);
    for (size_t i = 0; i < d->locals.len; i++)
        if (strcmp(d->locals.items[i]->name, name) == 0)
            return d->locals.items[i];
    return NULL;
}

/* --- operations ------------------------------------------------------------------------------ */

static void end_archive(struct engine_op *op)
{
    if (op->fd < 0)
        return;
    loop_unwatch(op->direct->engine.loop, op->fd);
    close(TAKE_FD(op->fd));
    (void)kill(op->child, SIGKILL);
    (void)waitpid(op->child, NULL, 0);
}

/* Frees it without a word. */
static void op_drop(struct engine_op *op)
{
    struct direct *d = op->direct;
    for (size_t i = 0; i < d->flying.len; i++)
        if (d->flying.items[i] == op)
            d->flying.items[i] = d->flying.items[--d->flying.len];
    for (size_t i = 0; i < d->locals.len; i++) {
        struct local *l = d->locals.items[i];
        l->attach = l->attach == op ? NULL : l->attach;
        l->removing = l->removing == op ? NULL : l->removing;
    }
    loop_timer_disarm(d->engine.loop, &op->timer);
    end_archive(op);
    error_clear(&op->failure);
    free(op->name);
    free(op);
}

static void tell_state(const struct engine_op *op, const struct error *err)
{
    const struct local *l = find(&op->direct->engine, op->name);
    struct container_state state = {.error = ""};
    if (l) {
        state.running = l->phase == PHASE_RUNNING;
        state.exit_code = l->exit_code;
    }
    enum engine_outcome outcome = op->outcome == ENGINE_OK && !l ? ENGINE_NOT_FOUND : op->outcome;
    op->state(op->data, outcome, outcome == ENGINE_OK ? &state : NULL, err);
}

static void op_finish(void *data)
{
    struct engine_op *op = data;
    if (op->ready && !op->is_ready && !op->settled) {
        op->is_ready = true;
        op->ready(op->data);
        return;
    }
    if (!op->settled) {
        op->outcome = ENGINE_FAILED;
        error_set(&op->failure, ERROR_TIMEOUT, "'%s' took too long", op->name);
    }
    const struct error *err = error_is_set(&op->failure) ? &op->failure : NULL;
    if (op->state)
        tell_state(op, err);
    else if (op->exited)
        op->exited(op->data, op->outcome, 0, "", err);
    else if (op->image)
        op->image(op->data, op->outcome, NULL, err);
    else
        op->done(op->data, op->outcome, err);
    op_drop(op);
}

/* It completes soon, from the loop. err is emptied; may be NULL. */
static void op_settle(struct engine_op *op, enum engine_outcome outcome, struct error *err)
{
    op->settled = true;
    op->outcome = outcome;
    if (err)
        error_move(&op->failure, err);
    loop_timer_arm(op->direct->engine.loop, &op->timer, 1, op_finish, op);
}

static struct engine_op *op_new(struct engine *engine, const char *name, nsec_t deadline,
                                void *data)
{
    struct engine_op *op = xcalloc(1, sizeof(*op));
    *op = (struct engine_op){
        .direct = direct_of(engine), .name = xstrdup(name), .data = data, .fd = -1};
    *vec_push(&op->direct->flying) = op;
    engine->requests++;
    if (deadline != NSEC_INFINITY)
        loop_timer_arm(engine->loop, &op->timer, deadline, op_finish, op);
    return op;
}

/* One whose outcome is known at once. */
static struct engine_op *op_known(struct engine *engine, const char *name,
                                  enum engine_outcome outcome, struct error *err,
                                  engine_done_fn done, void *data)
{
    struct engine_op *op = op_new(engine, name, NSEC_INFINITY, data);
    op->done = done;
    op_settle(op, outcome, err);
    return op;
}

static struct engine_op *op_impossible(struct engine *engine, const char *name, void *data)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct engine_op *op = op_new(engine, name, NSEC_INFINITY, data);
    error_set(&err, ERROR_INTERNAL, "'%s' is a program of this machine, not a container", name);
    op_settle(op, ENGINE_FAILED, &err);
    return op;
}

/* --- programs -------------------------------------------------------------------------------- */

static void local_free(struct local *l)
{
    strvec_deinit(&l->argv);
    strvec_deinit(&l->env);
    strvec_deinit(&l->dirs);
    free(l->name);
    free(l);
}

static void close_output(struct local *l, int i)
{
    if (l->out[i] < 0)
        return;
    loop_unwatch(l->direct->engine.loop, l->out[i]);
    close(TAKE_FD(l->out[i]));
}

/* Forgets it; it does not run. */
static void local_drop(struct local *l)
{
    struct direct *d = l->direct;
    for (size_t i = 0; i < d->locals.len; i++)
        if (d->locals.items[i] == l)
            d->locals.items[i] = d->locals.items[--d->locals.len];
    for (int i = 0; i < 2; i++)
        close_output(l, i);
    if (l->attach)
        op_settle(TAKE_PTR(l->attach), ENGINE_OK, NULL);
    local_free(l);
}

/* The attached hear of the end when the program has ended and all it wrote was delivered. */
static void settle_if_over(struct local *l)
{
    if (l->phase == PHASE_ENDED && l->out[0] < 0 && l->out[1] < 0 && l->attach)
        op_settle(TAKE_PTR(l->attach), ENGINE_OK, NULL);
}

static void on_output(void *data, int fd, short revents)
{
    struct local *l = data;
    char chunk[65536];
    (void)revents;
    int i = fd == l->out[1];
    ssize_t n = read(fd, chunk, sizeof(chunk));
    if (n > 0 && l->attach)
        l->attach->output(l->attach->data, i ? OUTPUT_STDERR : OUTPUT_STDOUT, chunk, (size_t)n);
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    close_output(l, i);
    settle_if_over(l);
}

static void take_exit(struct local *l)
{
    int status = 0;
    (void)waitpid(l->supervisor.pid, &status, 0);
    l->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    l->phase = PHASE_ENDED;
    close(TAKE_FD(l->supervisor.pidfd));
    if (l->supervisor.lifeline >= 0)
        close(TAKE_FD(l->supervisor.lifeline));
}

static void on_exit_of(void *data, int fd, short revents)
{
    struct local *l = data;
    (void)revents;
    loop_unwatch(l->direct->engine.loop, fd);
    take_exit(l);
    if (l->dropping) {
        if (l->removing)
            op_settle(TAKE_PTR(l->removing), ENGINE_OK, NULL);
        local_drop(l);
        return;
    }
    settle_if_over(l);
}

static void copy_strings(struct strvec *to, const char *const *from)
{
    for (; from && *from; from++)
        strvec_push(to, *from);
}

static struct engine_op *container_create(struct engine *engine, const struct container_spec *spec,
                                          nsec_t deadline, engine_done_fn done, void *data)
{
    struct direct *d = direct_of(engine);
    _cleanup_error_ struct error err = ERROR_INIT;
    if (!spec->program)
        return d->inner->ops->container_create(inner_of(engine), spec, deadline, done, data);
    if (find(engine, spec->name))
        return op_known(engine, spec->name, ENGINE_CONFLICT, NULL, done, data);
    for (const char *const *dir = spec->dirs; dir && *dir; dir++) {
        if (file_make_dirs(*dir, 0700) == 0)
            continue;
        error_set_errno(&err, ERROR_ENGINE, errno, "could not make '%s'", *dir);
        return op_known(engine, spec->name, ENGINE_FAILED, &err, done, data);
    }

    struct local *l = xcalloc(1, sizeof(*l));
    *l = (struct local){.direct = d,
                        .name = xstrdup(spec->name),
                        .out = {-1, -1},
                        .supervisor = {.pidfd = -1, .lifeline = -1}};
    strvec_push(&l->argv, spec->program);
    copy_strings(&l->argv, spec->argv);
    copy_strings(&l->env, spec->env);
    *vec_push(&d->locals) = l;
    return op_known(engine, spec->name, ENGINE_OK, NULL, done, data);
}

static int start(struct local *l, struct error *err)
{
    int ends[2][2];
    if (pipe2(ends[0], O_CLOEXEC) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "no pipe for its output");
    if (pipe2(ends[1], O_CLOEXEC) < 0) {
        close(ends[0][0]);
        close(ends[0][1]);
        return error_set_errno(err, ERROR_INTERNAL, errno, "no pipe for its output");
    }
    int rc = supervisor_start(&l->supervisor, l->argv.items, l->env.items,
                              (const int[2]){ends[0][1], ends[1][1]}, err);
    for (int i = 0; i < 2; i++) {
        close(ends[i][1]);
        (void)fcntl(ends[i][0], F_SETFL, O_NONBLOCK);
        l->out[i] = ends[i][0];
        if (rc < 0)
            close(TAKE_FD(l->out[i]));
        else
            loop_watch(l->direct->engine.loop, l->out[i], POLLIN, on_output, l);
    }
    return rc;
}

static struct engine_op *container_start(struct engine *engine, const char *name, nsec_t deadline,
                                         engine_done_fn done, void *data)
{
    struct local *l = find(engine, name);
    _cleanup_error_ struct error err = ERROR_INIT;
    if (!l)
        return direct_of(engine)->inner->ops->container_start(inner_of(engine), name, deadline,
                                                              done, data);
    if (l->phase != PHASE_CREATED)
        return op_known(engine, name, ENGINE_CONFLICT, NULL, done, data);
    if (start(l, &err) < 0) {
        l->phase = PHASE_ENDED;
        l->exit_code = 127;
        settle_if_over(l);
        return op_known(engine, name, ENGINE_FAILED, &err, done, data);
    }
    l->phase = PHASE_RUNNING;
    loop_watch(engine->loop, l->supervisor.pidfd, POLLIN, on_exit_of, l);
    return op_known(engine, name, ENGINE_OK, NULL, done, data);
}

static struct engine_op *container_inspect(struct engine *engine, const char *name, nsec_t deadline,
                                           engine_state_fn done, void *data)
{
    if (!find(engine, name))
        return direct_of(engine)->inner->ops->container_inspect(inner_of(engine), name, deadline,
                                                                done, data);
    struct engine_op *op = op_new(engine, name, NSEC_INFINITY, data);
    op->state = done;
    op_settle(op, ENGINE_OK, NULL);
    return op;
}

static struct engine_op *container_attach(struct engine *engine, const char *name,
                                          void (*ready)(void *data), engine_output_fn output,
                                          engine_done_fn done, void *data)
{
    struct local *l = find(engine, name);
    if (!l)
        return direct_of(engine)->inner->ops->container_attach(inner_of(engine), name, ready,
                                                               output, done, data);
    if (l->attach || l->phase != PHASE_CREATED)
        return op_known(engine, name, ENGINE_FAILED, NULL, done, data);
    struct engine_op *op = op_new(engine, name, NSEC_INFINITY, data);
    op->done = done;
    op->output = output;
    op->ready = ready;
    l->attach = op;
    loop_timer_arm(engine->loop, &op->timer, 1, op_finish, op);
    return op;
}

static struct engine_op *container_signal(struct engine *engine, const char *name, int number,
                                          nsec_t deadline, engine_done_fn done, void *data)
{
    struct local *l = find(engine, name);
    unsigned char byte = (unsigned char)number;
    if (!l)
        return direct_of(engine)->inner->ops->container_signal(inner_of(engine), name, number,
                                                               deadline, done, data);
    bool sent = l->phase == PHASE_RUNNING && write(l->supervisor.lifeline, &byte, 1) == 1;
    return op_known(engine, name, sent ? ENGINE_OK : ENGINE_CONFLICT, NULL, done, data);
}

static struct engine_op *engine_remove(struct engine *engine, enum object_kind kind,
                                       const char *name, nsec_t deadline, engine_done_fn done,
                                       void *data)
{
    struct local *l = kind == OBJECT_CONTAINER ? find(engine, name) : NULL;
    if (!l)
        return direct_of(engine)->inner->ops->remove(inner_of(engine), kind, name, deadline, done,
                                                     data);
    if (l->dropping)
        return op_known(engine, name, ENGINE_CONFLICT, NULL, done, data);
    if (l->phase != PHASE_RUNNING) {
        local_drop(l);
        return op_known(engine, name, ENGINE_OK, NULL, done, data);
    }
    if (l->supervisor.lifeline >= 0)
        close(TAKE_FD(l->supervisor.lifeline));
    l->dropping = true;
    l->removing = op_new(engine, name, deadline, data);
    l->removing->done = done;
    return l->removing;
}

/* --- what it left ---------------------------------------------------------------------------- */

static _Noreturn void be_packer(const char *path, int fd)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    (void)signal(SIGPIPE, SIG_IGN);
    _exit(pack(path, fd, &err) == ENGINE_OK ? 0 : 1);
}

static void on_packed(void *data, int fd, short revents)
{
    struct engine_op *op = data;
    char chunk[65536];
    int status = 0;
    (void)revents;
    ssize_t n = read(fd, chunk, sizeof(chunk));
    if (n > 0) {
        op->bytes(op->data, chunk, (size_t)n);
        return;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    loop_unwatch(op->direct->engine.loop, fd);
    close(TAKE_FD(op->fd));
    (void)waitpid(op->child, &status, 0);
    _cleanup_error_ struct error err = ERROR_INIT;
    if (status)
        error_set(&err, ERROR_ENGINE, "what '%s' left could not be read", op->name);
    op_settle(op, status ? ENGINE_FAILED : ENGINE_OK, &err);
}

static struct engine_op *container_archive(struct engine *engine, const char *name,
                                           const char *path, nsec_t deadline, engine_bytes_fn bytes,
                                           engine_done_fn done, void *data)
{
    int ends[2];
    _cleanup_error_ struct error err = ERROR_INIT;
    if (!find(engine, name))
        return direct_of(engine)->inner->ops->container_archive(inner_of(engine), name, path,
                                                                deadline, bytes, done, data);
    pack_prepare();
    pid_t child = pipe2(ends, O_CLOEXEC) < 0 ? -2 : fork();
    if (child == 0)
        be_packer(path, ends[1]);
    if (child < 0) {
        error_set_errno(&err, ERROR_INTERNAL, errno, "no process that reads what '%s' left", name);
        for (int i = 0; child == -1 && i < 2; i++)
            close(ends[i]);
        return op_known(engine, name, ENGINE_FAILED, &err, done, data);
    }
    close(ends[1]);
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    struct engine_op *op = op_new(engine, name, deadline, data);
    op->done = done;
    op->bytes = bytes;
    op->fd = ends[0];
    op->child = child;
    loop_watch(engine->loop, op->fd, POLLIN, on_packed, op);
    return op;
}

/* --- what programs have not ------------------------------------------------------------------ */

static struct engine_op *container_extract(struct engine *engine, const char *name,
                                           const char *path, const void *tar, size_t len,
                                           nsec_t deadline, engine_done_fn done, void *data)
{
    if (!find(engine, name))
        return direct_of(engine)->inner->ops->container_extract(inner_of(engine), name, path, tar,
                                                                len, deadline, done, data);
    struct engine_op *op = op_impossible(engine, name, data);
    op->done = done;
    return op;
}

static struct engine_op *container_input(struct engine *engine, const char *name, const void *bytes,
                                         size_t len, engine_done_fn done, void *data)
{
    if (!find(engine, name))
        return direct_of(engine)->inner->ops->container_input(inner_of(engine), name, bytes, len,
                                                              done, data);
    struct engine_op *op = op_impossible(engine, name, data);
    op->done = done;
    return op;
}

static struct engine_op *container_resize(struct engine *engine, const char *name,
                                          struct terminal_size size, nsec_t deadline,
                                          engine_done_fn done, void *data)
{
    if (!find(engine, name))
        return direct_of(engine)->inner->ops->container_resize(inner_of(engine), name, size,
                                                               deadline, done, data);
    struct engine_op *op = op_impossible(engine, name, data);
    op->done = done;
    return op;
}

static struct engine_op *container_exec(struct engine *engine, const char *name,
                                        const char *const *argv, nsec_t deadline,
                                        engine_exit_fn done, void *data)
{
    if (!find(engine, name))
        return direct_of(engine)->inner->ops->container_exec(inner_of(engine), name, argv, deadline,
                                                             done, data);
    struct engine_op *op = op_impossible(engine, name, data);
    op->exited = done;
    return op;
}

static struct engine_op *container_commit(struct engine *engine, const char *name,
                                          const struct commit_spec *spec, nsec_t deadline,
                                          engine_image_fn done, void *data)
{
    if (!find(engine, name))
        return direct_of(engine)->inner->ops->container_commit(inner_of(engine), name, spec,
                                                               deadline, done, data);
    struct engine_op *op = op_impossible(engine, name, data);
    op->image = done;
    return op;
}

/* --- what is handed on ----------------------------------------------------------------------- */

static struct engine_op *image_resolve(struct engine *engine, const char *ref,
                                       enum pull_policy policy, nsec_t deadline,
                                       engine_progress_fn progress, engine_image_fn done,
                                       void *data)
{
    struct engine *inner = inner_of(engine);
    return inner->ops->image_resolve(inner, ref, policy, deadline, progress, done, data);
}

static struct engine_op *image_import(struct engine *engine, const char *name,
                                      const struct labels *labels, const char *const *entrypoint,
                                      const void *tar, size_t len, nsec_t deadline,
                                      engine_image_fn done, void *data)
{
    struct engine *inner = inner_of(engine);
    return inner->ops->image_import(inner, name, labels, entrypoint, tar, len, deadline, done,
                                    data);
}

static struct engine_op *network_create(struct engine *engine, const char *name,
                                        const struct labels *labels, nsec_t deadline,
                                        engine_done_fn done, void *data)
{
    struct engine *inner = inner_of(engine);
    return inner->ops->network_create(inner, name, labels, deadline, done, data);
}

static struct engine_op *volume_create(struct engine *engine, const char *name,
                                       const struct labels *labels, nsec_t deadline,
                                       engine_done_fn done, void *data)
{
    struct engine *inner = inner_of(engine);
    return inner->ops->volume_create(inner, name, labels, deadline, done, data);
}

static struct engine_op *list(struct engine *engine, const char *run, nsec_t deadline,
                              engine_list_fn done, void *data)
{
    struct engine *inner = inner_of(engine);
    return inner->ops->list(inner, run, deadline, done, data);
}

static struct engine_op *list_kept(struct engine *engine, nsec_t deadline, engine_kept_fn done,
                                   void *data)
{
    struct engine *inner = inner_of(engine);
    return inner->ops->list_kept(inner, deadline, done, data);
}

static struct engine_op *events(struct engine *engine, const char *run, void (*ready)(void *data),
                                engine_event_fn event, engine_done_fn done, void *data)
{
    struct engine *inner = inner_of(engine);
    return inner->ops->events(inner, run, ready, event, done, data);
}

/* --- the end --------------------------------------------------------------------------------- */

static void cancel(struct engine *engine, struct engine_op *op)
{
    struct direct *d = direct_of(engine);
    _cleanup_error_ struct error err = ERROR_INIT;
    size_t i = 0;
    while (i < d->flying.len && d->flying.items[i] != op)
        i++;
    if (i == d->flying.len) {
        d->inner->ops->cancel(d->inner, op);
        return;
    }
    for (size_t k = 0; k < d->locals.len; k++) {
        struct local *l = d->locals.items[k];
        l->attach = l->attach == op ? NULL : l->attach; /* what it still says nobody hears */
        l->removing = l->removing == op ? NULL : l->removing;
    }
    end_archive(op);
    error_set(&err, ERROR_CANCELLED, "cancelled");
    error_clear(&op->failure);
    op_settle(op, ENGINE_CANCELLED, &err);
}

static void end_program(struct local *l)
{
    struct pollfd p = {.fd = l->supervisor.pidfd, .events = POLLIN};
    if (l->phase == PHASE_RUNNING) {
        loop_unwatch(l->direct->engine.loop, l->supervisor.pidfd);
        if (l->supervisor.lifeline >= 0)
            close(TAKE_FD(l->supervisor.lifeline));
        if (poll(&p, 1, FREE_WAIT_MS) > 0)
            take_exit(l);
    }
    l->attach = NULL;
    local_drop(l);
}

void direct_remove_scratch(const char *scratch)
{
    for (int i = 0; i < REMOVE_ROUNDS && access(scratch, F_OK) == 0; i++) {
        if (i)
            (void)poll(NULL, 0, REMOVE_PAUSE);
        (void)tree_remove(AT_FDCWD, scratch);
    }
}

static void engine_free_all(struct engine *engine)
{
    struct direct *d = direct_of(engine);
    while (d->flying.len)
        op_drop(d->flying.items[0]);
    while (d->locals.len)
        end_program(d->locals.items[0]);
    vec_deinit(&d->locals);
    vec_deinit(&d->flying);
    direct_remove_scratch(d->scratch);
    engine_free(d->inner);
    free(d->scratch);
    free(engine->kind);
    free(engine->version);
    free(engine->where);
    free(d);
}

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
    .remove = engine_remove,
    .list = list,
    .list_kept = list_kept,
    .events = events,
    .cancel = cancel,
    .free = engine_free_all,
};

struct engine *direct_open(struct engine *inner, const char *scratch)
{
    struct direct *d = xcalloc(1, sizeof(*d));
    *d = (struct direct){.engine = {.ops = &d->ops,
                                    .loop = inner->loop,
                                    .kind = xstrdup(inner->kind),
                                    .version = xstrdup(inner->version),
                                    .where = xstrdup(inner->where),
                                    .why = TAKE_PTR(inner->why),
                                    .cpus = inner->cpus},
                         .ops = ops,
                         .inner = inner,
                         .scratch = xstrdup(scratch)};
    if (!inner->ops->list_kept)
        d->ops.list_kept = NULL;
    return &d->engine;
}

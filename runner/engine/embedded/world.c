/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "engine/embedded/done.h"
#include "engine/embedded/flow.h"
#include "engine/embedded/state.h"
#include "engine/embedded/userns.h"

static struct loop *loop_of(const struct world *w)
{
    return w->engine->engine.loop;
}

/* --- its end --------------------------------------------------------------------------------- */

/* How the keeper ended. The socket goes first, the rest of it some milliseconds later. */
static char *how_it_ended(const struct world *w)
{
    siginfo_t info = {0};
    struct pollfd p = {.fd = w->keeper.pidfd, .events = POLLIN};
    (void)poll(&p, 1, 200);
    if (waitid(P_PIDFD, (id_t)w->keeper.pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
        info.si_pid == 0)
        return xstrdup("it closed its socket");
    return info.si_code == CLD_EXITED ? xasprintf("exit code %d", info.si_status)
                                      : xasprintf("signal %d", info.si_status);
}

static struct call take_call(struct world *w, size_t i)
{
    struct call call = w->calls.items[i];
    w->calls.len--;
    memmove(w->calls.items + i, w->calls.items + i + 1, (w->calls.len - i) * sizeof(call));
    return call;
}

static void fail_call(struct world *w, size_t i, const struct error *why)
{
    struct call call = take_call(w, i);
    struct answer a = {.kind = ANSWER_DONE,
                       .number = call.number,
                       .outcome = ENGINE_FAILED,
                       .error_kind = (int)why->kind,
                       .text = why->message};
    call.answered(w, &call, &a);
}

/* All who wait hear it: the last calls first to be entered may enter further ones, which fail at
   once. */
static void fail_calls(struct world *w)
{
    while (w->calls.len)
        fail_call(w, 0, &w->failure);
}

/* An answer may enter and forget calls, so each time it is looked from the beginning. */
static void fail_unsent(struct world *w)
{
    for (size_t i = 0; i < w->calls.len;) {
        _cleanup_error_ struct error err = ERROR_INIT;
        if (!w->calls.items[i].unsent) {
            i++;
            continue;
        }
        error_set_errno(&err, ERROR_INTERNAL, w->calls.items[i].unsent,
                        "the keeper could not be asked");
        fail_call(w, i, &err);
        i = 0;
    }
}

/* From the loop, never from within the call. */
static void fail_soon(void *data)
{
    struct world *w = data;
    if (error_is_set(&w->failure))
        fail_calls(w);
    else
        fail_unsent(w);
}

static void end_containers(struct world *w)
{
    struct answer died = {.kind = ANSWER_DIED, .code = 128 + SIGKILL};
    struct embedded *e = w->engine;
    for (size_t i = 0; i < e->containers.len; i++) {
        struct container *c = e->containers.items[i];
        if (c->world != w || c->phase == PHASE_ENDED)
            continue;
        if (c->phase == PHASE_RUNNING || c->phase == PHASE_STARTING) {
            container_ended(c, &died);
            continue;
        }
        c->phase = PHASE_ENDED;
        flow_end(c);
    }
}

static void close_socket(struct world *w)
{
    if (w->keeper.socket < 0)
        return;
    loop_unwatch(loop_of(w), w->keeper.socket);
    close(TAKE_FD(w->keeper.socket));
    for (size_t i = 0; i < w->outbox.len; i++)
        wire_deinit(&w->outbox.items[i].wire);
    w->outbox.len = 0;
}

static void world_broke(struct world *w, const char *why)
{
    if (error_is_set(&w->failure))
        return;
    error_set(&w->failure, ERROR_ENGINE, "the embedded engine's keeper ended: %s", why);
    close_socket(w);
    (void)kill(w->keeper.pid, SIGKILL);
    end_containers(w);
    fail_calls(w);
}

/* --- messages -------------------------------------------------------------------------------- */

static void on_done(struct world *w, const struct answer *a)
{
    for (size_t i = 0; i < w->calls.len; i++) {
        if (w->calls.items[i].number != a->number)
            continue;
        struct call call = take_call(w, i);
        call.answered(w, &call, a);
        return;
    }
}

/* It has said its word, or it is at the end. */
static void reap_mapper(struct world *w)
{
    if (w->keeper.mapper > 0)
        (void)waitpid(w->keeper.mapper, NULL, 0);
    w->keeper.mapper = 0;
}

static void take(struct world *w, const struct answer *a)
{
    struct container *c;
    switch (a->kind) {
    case ANSWER_UP:
        reap_mapper(w);
        if (a->outcome != ENGINE_OK)
            world_broke(w, a->text ? a->text : "");
        break;
    case ANSWER_DIED:
        c = container_by_id(w->engine, a->object);
        if (c)
            container_ended(c, a);
        break;
    default:
        on_done(w, a);
        break;
    }
}

static void flush(struct world *w);

static void on_socket(void *data, int fd, short revents)
{
    struct world *w = data;
    if (revents & POLLOUT)
        flush(w);
    while (w->keeper.socket == fd) {
        _cleanup_wire_ struct wire in;
        wire_init(&in);
        int got = wire_receive(fd, &in);
        if (got == 0)
            return;
        if (got < 0) {
            _cleanup_free_ char *why = how_it_ended(w);
            world_broke(w, why);
            return;
        }
        struct answer a = {0};
        answer_wire(&in, &a);
        if (in.bad)
            world_broke(w, "it said what nobody understands");
        else
            take(w, &a);
        answer_deinit(&a);
    }
}

static void watch(struct world *w)
{
    loop_unwatch(loop_of(w), w->keeper.socket);
    loop_watch(loop_of(w), w->keeper.socket, w->outbox.len ? POLLIN | POLLOUT : POLLIN, on_socket,
               w);
}

/* 1: it is off, or can never be and its call will fail; 0: the socket is full. Where the keeper has
   gone, the socket's end tells why. */
static int send_out(struct world *w, const struct posted *p)
{
    int sent = wire_send(w->keeper.socket, &p->wire);
    if (sent >= 0 || errno == EPIPE || errno == ECONNRESET)
        return sent != 0;
    for (size_t i = 0; i < w->calls.len; i++)
        if (w->calls.items[i].number == p->number)
            w->calls.items[i].unsent = errno;
    loop_timer_arm(loop_of(w), &w->fail_timer, 1, fail_soon, w);
    return 1;
}

static void flush(struct world *w)
{
    size_t sent = 0;
    while (sent < w->outbox.len && send_out(w, &w->outbox.items[sent]))
        wire_deinit(&w->outbox.items[sent++].wire);
    w->outbox.len -= sent;
    if (w->outbox.len)
        memmove(w->outbox.items, w->outbox.items + sent, w->outbox.len * sizeof(*w->outbox.items));
    watch(w);
}

static void post(struct world *w, struct posted *p)
{
    if (w->outbox.len == 0 && send_out(w, p)) {
        wire_deinit(&p->wire);
        return;
    }
    *vec_push(&w->outbox) = *p;
    if (w->outbox.len == 1)
        watch(w);
}

void world_call(struct world *w, struct request *request, const int *fds, size_t fd_count,
                const struct call *call)
{
    request->number = ++w->last_number;
    struct call *entered = vec_push(&w->calls);
    *entered = *call;
    entered->number = request->number;
    struct posted out = {.number = request->number};
    wire_init(&out.wire);
    for (size_t i = 0; i < fd_count; i++)
        wire_add_fd(&out.wire, fds[i]);
    request_wire(&out.wire, request);
    if (error_is_set(&w->failure)) {
        wire_deinit(&out.wire);
        loop_timer_arm(loop_of(w), &w->fail_timer, 1, fail_soon, w);
        return;
    }
    post(w, &out);
}

struct call *world_find_call(struct world *w, call_fn answered, uint32_t object)
{
    for (size_t i = 0; i < w->calls.len; i++) {
        struct call *call = &w->calls.items[i];
        if (!call->op && call->answered == answered && call->object == object)
            return call;
    }
    return NULL;
}

void world_forget(struct world *w, const struct engine_op *op)
{
    for (size_t i = 0; i < w->calls.len; i++)
        if (w->calls.items[i].op == op)
            w->calls.items[i].op = NULL;
    if (w->removal && &w->removal->op == op)
        w->removal = NULL;
}

/* --- making ---------------------------------------------------------------------------------- */

/* The trace tells of it before it is there. */
static int make_scratch(struct world *w, struct error *err)
{
    _cleanup_free_ char *base = xasprintf("%s/scratch", store_path(w->engine->store));
    if (w->engine->scratch_on_disk)
        w->trace.scratch = xasprintf("%s/%s", base, w->trace.run);
    if (trace_make(&w->trace, err) < 0)
        return -1;
    if (!w->trace.scratch)
        return 0;
    if ((mkdir(base, 0700) < 0 && errno != EEXIST) || mkdir(w->trace.scratch, 0700) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "could not make '%s'", w->trace.scratch);
    return 0;
}

static int make(struct world *w, struct error *err)
{
    struct embedded *e = w->engine;
    if (e->network != NETWORK_NONE &&
        outside_choose(&w->outside, e->network, userns_needed(), err) < 0)
        return -1;
    w->trace.nat = w->outside.mode == NETWORK_HOST_NAT;
    if (make_scratch(w, err) < 0)
        return -1;
    w->root = xasprintf("%s/w", w->trace.dir);
    struct keeper_options options = {
        .run = w->trace.run,
        .dir = w->root,
        .scratch = w->trace.scratch,
        .store = store_path(e->store),
        .runtime = e->runtime,
        .cgroups = &w->cgroups,
        .outside = &w->outside,
    };
    if (keeper_spawn(&options, &w->keeper, err) < 0)
        return -1;
    w->trace.keeper = w->keeper.pid;
    return trace_write_keeper(&w->trace, err);
}

/* Its end is a matter of milliseconds, unless the kernel is in trouble. */
static void reap(struct world *w)
{
    struct pollfd p = {.fd = w->keeper.pidfd, .events = POLLIN};
    (void)kill(w->keeper.pid, SIGKILL);
    reap_mapper(w);
    (void)poll(&p, 1, 1000);
    (void)waitid(P_PIDFD, (id_t)w->keeper.pidfd, &(siginfo_t){0}, WEXITED | WNOHANG);
}

static void end_keeper(struct world *w)
{
    close_socket(w);
    if (w->keeper.pidfd < 0)
        return;
    loop_unwatch(loop_of(w), w->keeper.pidfd);
    reap(w);
    close(TAKE_FD(w->keeper.pidfd));
}

struct world *world_new(struct embedded *e, const char *run, const char *owner, struct error *err)
{
    struct world *w = xcalloc(1, sizeof(*w));
    w->engine = e;
    w->keeper = (struct keeper_handle){.pidfd = -1, .socket = -1};
    w->trace.run = xstrdup(run);
    w->trace.owner = xstrdup(owner);
    cgroup_find(&w->cgroups, "/proc/self", run);
    strvec_append(&w->trace.cgroups, &w->cgroups.dirs);
    if (make(w, err) < 0) {
        error_wrap(err, "the run's world could not be made");
        end_keeper(w);
        if (w->trace.dir)
            (void)trace_remove(&w->trace);
        world_free(w);
        return NULL;
    }
    watch(w);
    w->next = e->worlds;
    e->worlds = w;
    return w;
}

static void unlink_world(struct world *w)
{
    for (struct world **p = &w->engine->worlds; *p; p = &(*p)->next) {
        if (*p == w) {
            *p = w->next;
            return;
        }
    }
}

void world_free(struct world *w)
{
    unlink_world(w);
    loop_timer_disarm(loop_of(w), &w->fail_timer);
    loop_timer_disarm(loop_of(w), &w->bury_timer);
    end_keeper(w);
    vec_deinit(&w->calls);
    outside_deinit(&w->outside);
    vec_deinit(&w->outbox);
    cgroup_places_deinit(&w->cgroups);
    trace_deinit(&w->trace);
    error_clear(&w->failure);
    free(w->root);
    free(w);
}

/* --- removing -------------------------------------------------------------------------------- */

static void bury(void *data)
{
    struct world *w = data;
    struct done_op *op = TAKE_PTR(w->removal);
    _cleanup_error_ struct error err = ERROR_INIT;
    fail_calls(w); /* that came since */
    if (trace_remove(&w->trace) < 0)
        error_set_errno(&err, ERROR_ENGINE, errno, "what is left of run '%s' could not be removed",
                        w->trace.run);
    else
        world_free(w);
    if (!op)
        return;
    op->world = NULL;
    task_finish(&op->op, error_is_set(&err) ? ENGINE_FAILED : ENGINE_OK, &err);
}

static void on_keeper_end(void *data, int fd, short revents)
{
    struct world *w = data;
    (void)revents;
    loop_unwatch(loop_of(w), fd);
    w->ended = true;
    end_containers(w);
    fail_calls(w);
    embedded_forget(w);
    for (size_t i = 0; i < w->trace.images.len; i++)
        (void)image_drop_stored(w->engine->store, w->trace.images.items[i], NULL);
    bury(w);
}

void world_remove(struct world *w, struct done_op *op)
{
    w->removal = op;
    if (w->ended) {
        loop_timer_arm(loop_of(w), &w->bury_timer, 1, bury, w);
        return;
    }
    if (!error_is_set(&w->failure))
        error_set(&w->failure, ERROR_ENGINE, "the run's world was removed");
    close_socket(w);
    (void)kill(w->keeper.pid, SIGKILL); /* it may hang, and has nothing to do any more */
    loop_watch(loop_of(w), w->keeper.pidfd, POLLIN, on_keeper_end, w);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/direct/local.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

#define END_WAIT_MS 5000

struct local *local_find(const struct locals *all, const char *name)
{
    for (size_t i = 0; i < all->items.len; i++)
        if (strcmp(all->items.items[i]->name, name) == 0)
            return all->items.items[i];
    return NULL;
}

static void close_output(struct local *l, int i)
{
    if (l->out[i] < 0)
        return;
    loop_unwatch(l->all->loop, l->out[i]);
    close(TAKE_FD(l->out[i]));
}

static void local_free(struct local *l)
{
    for (int i = 0; i < 2; i++)
        close_output(l, i);
    if (l->supervisor.pidfd >= 0)
        close(l->supervisor.pidfd);
    strvec_deinit(&l->argv);
    strvec_deinit(&l->env);
    free(l->name);
    free(l->mark);
    free(l);
}

void local_drop(struct local *l)
{
    struct locals *all = l->all;
    for (size_t i = 0; i < all->items.len; i++)
        if (all->items.items[i] == l)
            all->items.items[i] = all->items.items[--all->items.len];
    if (l->attach)
        flight_settle(l->attach, ENGINE_OK, NULL);
    local_free(l);
}

static void copy_strings(struct strvec *to, const char *const *from)
{
    for (; from && *from; from++)
        strvec_push(to, *from);
}

/* Its directories are below one of its shard's, which is below the run's. */
static char *mark_of(const struct locals *all, const char *const *dirs)
{
    size_t len = strlen(all->scratch);
    if (!dirs || !*dirs || strncmp(*dirs, all->scratch, len) != 0 || dirs[0][len] != '/')
        return xstrdup(all->scratch);
    return xstrndup(*dirs, len + 1 + strcspn(*dirs + len + 1, "/") + 1);
}

int local_create(struct locals *all, const struct container_spec *spec, struct error *err)
{
    for (const char *const *dir = spec->dirs; dir && *dir; dir++)
        if (file_make_dirs(*dir, 0700) < 0)
            return error_set_errno(err, ERROR_ENGINE, errno, "could not make '%s'", *dir);

    struct local *l = xcalloc(1, sizeof(*l));
    *l = (struct local){.all = all,
                        .name = xstrdup(spec->name),
                        .mark = mark_of(all, spec->dirs),
                        .out = {-1, -1},
                        .supervisor = {.pidfd = -1, .lifeline = -1}};
    strvec_push(&l->argv, spec->program);
    copy_strings(&l->argv, spec->argv);
    copy_strings(&l->env, spec->env);
    *vec_push(&all->items) = l;
    return 0;
}

/* --- while it runs --------------------------------------------------------------------------- */

/* The attached hear of the end when the program has ended and all it wrote was delivered. */
static void settle_if_over(struct local *l)
{
    if (l->phase == LOCAL_ENDED && l->out[0] < 0 && l->out[1] < 0 && l->attach)
        flight_settle(l->attach, ENGINE_OK, NULL);
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

static void close_lifeline(struct local *l)
{
    if (l->supervisor.lifeline >= 0)
        close(TAKE_FD(l->supervisor.lifeline));
}

static void take_exit(struct local *l)
{
    int status = 0;
    (void)waitpid(l->supervisor.pid, &status, 0);
    l->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    l->phase = LOCAL_ENDED;
    if (WIFSIGNALED(status))
        supervisor_kill_marked(l->mark);
    close(TAKE_FD(l->supervisor.pidfd));
    close_lifeline(l);
}

static void on_exit_of(void *data, int fd, short revents)
{
    struct local *l = data;
    (void)revents;
    loop_unwatch(l->all->loop, fd);
    take_exit(l);
    if (!l->dropping) {
        settle_if_over(l);
        return;
    }
    if (l->removing)
        flight_settle(l->removing, ENGINE_OK, NULL);
    local_drop(l);
}

static int begin(struct local *l, struct error *err)
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
            loop_watch(l->all->loop, l->out[i], POLLIN, on_output, l);
    }
    return rc;
}

int local_start(struct local *l, struct error *err)
{
    if (begin(l, err) < 0) {
        l->phase = LOCAL_ENDED;
        l->exit_code = 127;
        settle_if_over(l);
        return -1;
    }
    l->phase = LOCAL_RUNNING;
    loop_watch(l->all->loop, l->supervisor.pidfd, POLLIN, on_exit_of, l);
    return 0;
}

bool local_signal(const struct local *l, int number)
{
    unsigned char byte = (unsigned char)number;
    return l->phase == LOCAL_RUNNING && write(l->supervisor.lifeline, &byte, 1) == 1;
}

void local_attach(struct local *l, struct engine_op *op)
{
    l->attach = op;
    op->known_at = &l->attach;
    flight_soon_ready(op);
}

void local_end(struct local *l, struct engine_op *op)
{
    l->dropping = true;
    l->removing = op;
    op->known_at = &l->removing;
    close_lifeline(l);
}

void locals_deinit(struct locals *all)
{
    for (size_t i = 0; i < all->items.len; i++) {
        struct local *l = all->items.items[i];
        struct pollfd p = {.fd = l->supervisor.pidfd, .events = POLLIN};
        if (l->phase == LOCAL_RUNNING) {
            loop_unwatch(all->loop, p.fd);
            close_lifeline(l);
            if (poll(&p, 1, END_WAIT_MS) > 0)
                take_exit(l);
        }
        local_free(l);
    }
    vec_deinit(&all->items);
}

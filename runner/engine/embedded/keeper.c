/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/process.h"
#include "engine/embedded/disguise.h"
#include "engine/embedded/keep.h"
#include "engine/embedded/own.h"
#include "engine/embedded/readonly.h"
#include "engine/embedded/runtime.h"
#include "engine/embedded/userns.h"

/* --- what it says ---------------------------------------------------------------------------- */

/* Main always listens: a full socket is only a matter of time. */
void keeper_tell(struct keeper *k, struct answer *answer)
{
    _cleanup_wire_ struct wire w;
    wire_init(&w);
    answer_wire(&w, answer);
    for (;;) {
        int sent = wire_send(k->socket, &w);
        if (sent > 0)
            return;
        if (sent < 0)
            _exit(1);
        (void)poll(&(struct pollfd){.fd = k->socket, .events = POLLOUT}, 1, -1);
    }
}

void keeper_answer(struct keeper *k, uint32_t number, enum engine_outcome outcome,
                   struct error *err)
{
    struct answer a = {.kind = ANSWER_DONE, .number = number, .outcome = (int)outcome};
    if (outcome == ENGINE_FAILED) {
        a.error_kind = (int)err->kind;
        a.text = err->message;
    }
    keeper_tell(k, &a);
    if (err)
        error_clear(err);
}

char *keeper_path(const char *base, const char *kind, uint32_t id, const char *leaf)
{
    return xasprintf("%s/%s/%u%s%s", base, kind, id, leaf ? "/" : "", leaf ? leaf : "");
}

/* --- requests -------------------------------------------------------------------------------- */

static void volume_make(struct keeper *k, const struct request *r)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *path = keeper_path(k->scratch, "v", r->object, NULL);
    if (mkdir(path, 0755) < 0)
        error_set_errno(&err, ERROR_INTERNAL, errno, "could not make a volume's directory");
    keeper_answer(k, r->number, error_is_set(&err) ? ENGINE_FAILED : ENGINE_OK, &err);
}

static void volume_drop(struct keeper *k, const struct request *r)
{
    _cleanup_free_ char *path = keeper_path(k->scratch, "v", r->object, NULL);
    job_discard(k, path);
    keeper_answer(k, r->number, ENGINE_OK, NULL);
}

static void signal_cell(struct keeper *k, const struct request *r, struct cell *cell)
{
    if (cell->phase != CELL_RUNNING || kill(cell->init, r->signal) < 0)
        keeper_answer(k, r->number, ENGINE_CONFLICT, NULL);
    else
        keeper_answer(k, r->number, ENGINE_OK, NULL);
}

static void about_cell(struct keeper *k, const struct request *r, struct wire *w)
{
    struct cell *cell = cell_find(k, r->object);
    if (!cell) {
        keeper_answer(k, r->number, ENGINE_NOT_FOUND, NULL);
        return;
    }
    switch (r->kind) {
    case REQUEST_START:
        cell_start(k, r->number, cell);
        break;
    case REQUEST_SIGNAL:
        signal_cell(k, r, cell);
        break;
    case REQUEST_REMOVE:
        cell_remove(k, r->number, cell);
        break;
    case REQUEST_EXTRACT:
        job_extract(k, r->number, cell, r->path, wire_take_fd(w));
        break;
    case REQUEST_ARCHIVE:
        job_archive(k, r->number, cell, r->path, wire_take_fd(w));
        break;
    case REQUEST_COMMIT:
        job_commit(k, cell, r);
        break;
    case REQUEST_EXEC:
        job_exec(k, r, cell);
        break;
    default:
        break;
    }
}

static void make_cell(struct keeper *k, const struct request *r, struct wire *w)
{
    int fds[3];
    fds[0] = wire_take_fd(w);
    fds[1] = wire_take_fd(w);
    fds[2] = r->recipe.input ? wire_take_fd(w) : -1;
    cell_make(k, r->number, r->object, &r->recipe, fds);
    struct cell *cell = cell_find(k, r->object);
    for (uint32_t i = 0; cell && cell->ours && i < r->recipe.handed && i < PUBLISH_MAX; i++)
        own_hand(cell, wire_take_fd(w));
}

static void refuse_truncated(struct keeper *k, const struct request *r)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    error_set(
        &err, ERROR_ENGINE,
        "the keeper has too many files open; use fewer shards, or raise the limit (ulimit -n)");
    keeper_answer(k, r->number, ENGINE_FAILED, &err);
}

static void serve(struct keeper *k, struct wire *w)
{
    struct request r = {0};
    request_wire(w, &r);
    if (w->bad)
        _exit(1);
    if (w->truncated) {
        refuse_truncated(k, &r);
        request_deinit(&r);
        return;
    }
    switch (r.kind) {
    case REQUEST_VOLUME_MAKE:
        volume_make(k, &r);
        break;
    case REQUEST_VOLUME_DROP:
        volume_drop(k, &r);
        break;
    case REQUEST_IMPORT:
        job_import(k, &r, wire_take_fd(w));
        break;
    case REQUEST_MAKE:
        make_cell(k, &r, w);
        break;
    default:
        about_cell(k, &r, w);
        break;
    }
    request_deinit(&r);
}

static void serve_all(struct keeper *k)
{
    for (;;) {
        _cleanup_wire_ struct wire w;
        wire_init(&w);
        int got = wire_receive(k->socket, &w);
        if (got < 0)
            _exit(0); /* and with us everything */
        if (got == 0)
            return;
        serve(k, &w);
    }
}

/* --- children -------------------------------------------------------------------------------- */

static void reap_all(struct keeper *k)
{
    struct signalfd_siginfo drained;
    while (read(k->signals, &drained, sizeof(drained)) > 0)
        ;
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
            return;
        bool filtered = cell_had_filter(k, info.si_pid);
        (void)waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG);
        int code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
        if (!job_reaped(k, info.si_pid))
            cell_reaped(k, info.si_pid, code, filtered);
    }
}

static void work(struct keeper *k)
{
    struct pollfd p[] = {{.fd = k->socket, .events = POLLIN}, {.fd = k->signals, .events = POLLIN}};
    for (;;) {
        int n = poll(p, ARRAY_SIZE(p), k->trash ? 100 : -1);
        if (n == 0)
            job_clean(k);
        if (n <= 0)
            continue;
        if (p[1].revents)
            reap_all(k);
        if (p[0].revents)
            serve_all(k);
    }
}

/* --- its world ------------------------------------------------------------------------------- */

/* crun takes a hybrid cgroup tree for something it does not know. What a user namespace may not
   unmount it may still cover. */
static void hide_hybrid_cgroup(void)
{
    static const char unified[] = "/sys/fs/cgroup/unified";
    if (access(unified, F_OK) == 0 && umount2(unified, MNT_DETACH) < 0)
        (void)mount("none", unified, "tmpfs", MS_RDONLY, "size=4k");
}

static int make_dirs(const char *base, const char *const *names, struct error *err)
{
    for (; *names; names++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", base, *names);
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return error_set_errno(err, ERROR_INTERNAL, errno, "could not make '%s'", path);
    }
    return 0;
}

static int furnish(struct keeper *k, struct error *err)
{
    const struct keeper_options *o = k->options;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return error_set_errno(err, ERROR_ENGINE, errno, "mounts could not be made private");
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return error_set_errno(err, ERROR_ENGINE, errno, "/proc could not be mounted");
    hide_hybrid_cgroup();
    if (!k->crun)
        readonly_find(&k->forbidden);
    if (mount("cleanroom", o->dir, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700") < 0)
        return error_set_errno(err, ERROR_ENGINE, errno, "no tmpfs could be mounted on '%s'",
                               o->dir);
    if (make_dirs(k->dir, (const char *const[]){"c", "v", "n", "s", "t", "none", NULL}, err) < 0 ||
        make_dirs(k->scratch, (const char *const[]){"c", "v", "t", NULL}, err) < 0)
        return -1;

    k->store = open(o->store, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (k->store < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "'%s' could not be opened", o->store);
    /* Who is root in a user namespace only cannot come back from another one. */
    k->netns = k->user_namespace ? -1 : open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    k->pidns = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    k->runtime = runtime_seal(o->runtime);
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    (void)sigprocmask(SIG_SETMASK, &children, NULL);
    k->signals = signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC);
    if ((k->netns < 0 && !k->user_namespace) || k->pidns < 0 || k->signals < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "the keeper could not be set up");
    return 0;
}

/* As pid 1 of its namespace it is deaf to every signal that it does not ask for. */
static void forget_parent(int socket)
{
    for (int i = 1; i < NSIG; i++)
        (void)signal(i, SIG_DFL);
    (void)setsid();
    /* Containers have no part in the keys of who runs us. */
    (void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    (void)close_range(3, (unsigned)socket - 1, 0);
    (void)close_range((unsigned)socket + 1, ~0U, 0);
    _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        (void)dup2(null, STDIN_FILENO);
        (void)dup2(null, STDOUT_FILENO);
    }
    (void)umask(022);
    (void)!chdir("/");
}

/* Ids come from outside; what comes instead of them is why not. */
static int await_ids(int ids, struct error *err)
{
    char text[512];
    if (ids < 0)
        return 0;
    ssize_t n = read(ids, text, sizeof(text) - 1);
    if (n == 1)
        return 0;
    return error_set(err, ERROR_ENGINE, "%.*s", n > 0 ? (int)n : 0, text);
}

static _Noreturn void keep(const struct keeper_options *options, int socket, int ids)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a death before this the socket tells of */
    int mapped = await_ids(ids, &err);
    struct keeper k = {.options = options,
                       .socket = socket,
                       .user_namespace = process_in_user_namespace(),
                       .crun = runtime_is_crun(options->runtime),
                       .dir = options->dir,
                       .scratch = options->scratch ? options->scratch : options->dir,
                       .outside = *options->outside};
    forget_parent(socket);
    struct answer up = {.kind = ANSWER_UP, .outcome = ENGINE_OK};
    if (mapped < 0 || furnish(&k, &err) < 0) {
        up.outcome = ENGINE_FAILED;
        up.error_kind = (int)err.kind;
        up.text = err.message;
    }
    disguise(options->run);
    keeper_tell(&k, &up);
    if (up.outcome != ENGINE_OK)
        _exit(1);
    work(&k);
    _exit(0);
}

/* newuidmap and newgidmap take some milliseconds, which nobody waits for but the keeper. */
static pid_t begin_mapping(pid_t keeper, int ids)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    _cleanup_error_ struct error err = ERROR_INIT;
    if (userns_map(keeper, &err) == 0)
        (void)!write(ids, "", 1);
    else
        (void)!write(ids, err.message, strlen(err.message));
    _exit(0);
}

/* Like fork, into new namespaces. 0 in the child. Not clone3(), which the filters of containers do
   not know, for they cannot look into it. */
static pid_t clone_into(unsigned long flags, int *pidfd)
{
    return (pid_t)syscall(SYS_clone, flags | CLONE_PIDFD | SIGCHLD, NULL, pidfd, NULL, NULL);
}

int keeper_spawn(const struct keeper_options *options, struct keeper_handle *out, struct error *err)
{
    int ends[2], ids[2] = {-1, -1};
    bool rootless = userns_needed();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "no socket for the keeper");
    if (rootless && pipe2(ids, O_CLOEXEC) < 0)
        rootless = false;

    unsigned long flags = CLONE_NEWPID | CLONE_NEWNS | (rootless ? CLONE_NEWUSER : 0);
    out->pid = clone_into(flags, &out->pidfd);
    if (out->pid == 0) {
        close(ids[1]);
        keep(options, ends[1], ids[0]);
    }
    int saved = errno;
    if (out->pid > 0 && rootless)
        out->mapper = begin_mapping(out->pid, ids[1]);
    close(ends[1]);
    for (int i = 0; i < 2; i++)
        if (ids[i] >= 0)
            close(ids[i]);
    if (out->pid < 0) {
        close(ends[0]);
        return error_set_errno(err, ERROR_ENGINE, saved,
                               "no namespaces could be made (see 'cleanroom doctor')");
    }
    out->socket = ends[0];
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "run/janitor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "run/ledger.h"
#include "run/sweep.h"

/* A create call that was under way when the main process died may take effect this much later. */
#define SETTLE_TIME   (2 * NSEC_PER_SEC)
#define SETTLE_PAUSE  (250 * NSEC_PER_MSEC)
#define WORK_TIME     (120 * NSEC_PER_SEC)
#define OPEN_PAUSE_MS 500

/* --- in the main process --------------------------------------------------------------------- */

/* Nothing by which a CI finds "its" processes, only what leads to the engine. */
static void clean_environment(struct strvec *env)
{
    static const char *const kept[] = {
        "HOME",           "PATH",          "TMPDIR",           "XDG_RUNTIME_DIR",   "DOCKER_HOST",
        "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "SSL_CERT_FILE",
        "ASAN_OPTIONS",   "UBSAN_OPTIONS",
    };
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        const char *value = getenv(kept[i]);
        if (value)
            strvec_pushf(env, "%s=%s", kept[i], value);
    }
    strvec_push(env, "CLEANROOM_JANITOR=1");
}

static void push_option(struct strvec *argv, const char *value)
{
    strvec_push(argv, value ? value : "");
}

/* In the grandchild: only async-signal-safe calls until exec. A failure is reported as errno. What
   was open by inheritance (a lock of flock(1), a pipe somebody reads) is not for the janitor. */
static void become_janitor(int socket, int report, char *const *argv, char *const *env)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (dup2(socket, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0 &&
        dup2(null, STDERR_FILENO) >= 0 && close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        execve("/proc/self/exe", argv, env);
    int why = errno;
    (void)!write(report, &why, sizeof(why));
    _exit(127);
}

/* The grandchild's pid, then nothing more if its exec succeeded, else why not. */
static pid_t read_report(int fd)
{
    pid_t pid;
    int why;
    if (read(fd, &pid, sizeof(pid)) != sizeof(pid))
        return -1;
    if (pid > 0 && read(fd, &why, sizeof(why)) == sizeof(why)) {
        errno = why;
        return -1;
    }
    return pid;
}

/* Forks twice, so that nobody finds the janitor among our children. Returns its pid. */
static pid_t fork_twice(int socket, char *const *argv, char *const *env)
{
    int report[2], order[2];
    if (pipe2(report, O_CLOEXEC) < 0 || pipe2(order, O_CLOEXEC) < 0)
        return -1;

    pid_t child = fork();
    if (child == 0) {
        (void)setsid();
        pid_t grandchild = fork();
        if (grandchild == 0) {
            /* After the child, whose word comes first: it lives no longer than that. */
            char end;
            close(order[1]);
            (void)!read(order[0], &end, 1);
            become_janitor(socket, report[1], argv, env);
        }
        (void)!write(report[1], &grandchild, sizeof(grandchild));
        _exit(0);
    }
    close(report[1]);
    close(order[0]);
    close(order[1]);
    if (child > 0)
        (void)waitpid(child, NULL, 0);
    pid_t pid = child > 0 ? read_report(report[0]) : -1;
    close(report[0]);
    return pid;
}

int janitor_start(struct janitor *j, const char *run_id, const struct settings *settings,
                  const char *results_dir, struct error *err)
{
    _cleanup_strvec_ struct strvec argv = STRVEC_INIT, env = STRVEC_INIT;
    char absolute[PATH_MAX];
    strvec_push(&argv, "cleanroom");
    strvec_push(&argv, "__janitor");
    strvec_push(&argv, run_id);
    push_option(&argv, settings->own.host);
    push_option(&argv, settings->own.context);
    push_option(&argv, realpath(results_dir, absolute));
    clean_environment(&env);

    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "could not begin the janitor");
    j->pid = fork_twice(ends[1], argv.items, env.items);
    close(ends[1]);
    j->socket = ends[0];
    j->gone = fcntl(ends[0], F_DUPFD_CLOEXEC, 0);
    if (j->pid < 0 || j->gone < 0) {
        int saved = errno;
        close(ends[0]);
        return error_set_errno(err, ERROR_INTERNAL, saved, "could not begin the janitor");
    }
    /* A janitor that hangs must not hang us: its book is an aid, the labels are the truth. */
    (void)fcntl(j->socket, F_SETFL, O_NONBLOCK);
    return 0;
}

void janitor_leave(struct janitor *j, bool wait)
{
    struct pollfd p = {.fd = j->gone, .events = POLLIN};
    (void)shutdown(j->gone, SHUT_WR);
    if (wait)
        (void)poll(&p, 1, 5000);
    close(TAKE_FD(j->gone));
}

/* --- in the janitor -------------------------------------------------------------------------- */

struct work {
    struct sweep sweep;
    struct loop_timer timer;
    nsec_t settle_until;
    size_t seen; /* objects removed when last looked */
    bool stop;
};

static void read_ledger(struct ledger *ledger)
{
    _cleanup_strbuf_ struct strbuf sb;
    strbuf_init(&sb, 1 << 20);
    for (;;) {
        char chunk[4096];
        ssize_t n = read(STDIN_FILENO, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || strbuf_add(&sb, chunk, (size_t)n) < 0)
            return;
        for (char *end; (end = memchr(sb.buf, '\n', sb.len));) {
            *end = '\0';
            ledger_apply(ledger, sb.buf);
            strbuf_consume(&sb, (size_t)(end + 1 - sb.buf));
        }
    }
}

static void sweep_again(void *data)
{
    struct work *w = data;
    sweep_begin(&w->sweep);
}

static void swept(void *data)
{
    struct work *w = data;
    nsec_t now = clock_now(), next = now + SETTLE_PAUSE;
    if (w->sweep.count > w->seen)
        w->settle_until = now + SETTLE_TIME;
    w->seen = w->sweep.count;
    if (next < w->settle_until && w->sweep.left.len == 0)
        loop_timer_arm(w->sweep.engine->loop, &w->timer, next, sweep_again, w);
    else
        w->stop = true;
}

/* The engine may be what died first and is just being started again. */
static struct engine *open_patiently(struct loop *loop, const struct engine_options *options)
{
    nsec_t give_up = clock_now() + WORK_TIME;
    for (;;) {
        _cleanup_error_ struct error err = ERROR_INIT;
        struct engine *engine = engine_open(loop, options, &err);
        if (engine)
            return engine;
        if (clock_now() >= give_up) {
            fprintf(stderr, "%s\n", err.message);
            return NULL;
        }
        (void)poll(NULL, 0, OPEN_PAUSE_MS);
    }
}

static int clean_up(const char *run_id, const struct engine_options *options)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct loop *loop = loop_new(&err);
    struct engine *engine = loop ? open_patiently(loop, options) : NULL;
    if (!engine) {
        loop_free(loop);
        return 4;
    }

    struct work w = {.settle_until = clock_now() + SETTLE_TIME};
    w.sweep = (struct sweep){.engine = engine,
                             .run = run_id,
                             .done = swept,
                             .data = &w,
                             .deadline = clock_now() + WORK_TIME};
    sweep_begin(&w.sweep);
    (void)loop_run(loop, &w.stop, &err);

    fprintf(stderr, "run %s: %zu objects removed, %zu left\n", run_id, w.sweep.count,
            w.sweep.left.len);
    for (size_t i = 0; i < w.sweep.left.len; i++)
        fprintf(stderr, "left: %s\n", w.sweep.left.items[i]);
    int code = w.sweep.left.len || error_is_set(&w.sweep.error) ? 4 : 0;
    sweep_deinit(&w.sweep);
    engine_free(engine);
    loop_free(loop);
    return code;
}

/* Standard error was /dev/null so far: whoever waits for our creator's output must not wait for us.
 */
static void open_log(const char *dir)
{
    _cleanup_free_ char *path = xasprintf("%s/janitor.log", dir);
    int fd = *dir ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;
    if (fd >= 0) {
        (void)dup2(fd, STDERR_FILENO);
        close(fd);
    }
}

int janitor_main(int argc, char **argv)
{
    static const int deaf_to[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < ARRAY_SIZE(deaf_to); i++)
        (void)signal(deaf_to[i], SIG_IGN);
    if (argc != 6)
        return 2;

    struct ledger ledger;
    ledger_init(&ledger, -1);
    read_ledger(&ledger);
    if (ledger.done) {
        ledger_deinit(&ledger);
        return 0;
    }

    open_log(argv[5]);
    struct engine_options options = {.host = argv[3][0] ? argv[3] : NULL,
                                     .context = argv[4][0] ? argv[4] : NULL};
    /* The very engine that was found, even if another one answers first by now. */
    if (ledger.where && strncmp(ledger.where, "unix://", 7) == 0)
        options = (struct engine_options){.host = ledger.where};
    int code = clean_up(argv[2], &options);
    ledger_deinit(&ledger);
    return code;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "run/janitor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdnoreturn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/proctitle.h"
#include "config/program.h"
#include "engine/direct/direct.h"
#include "report/journal.h"
#include "run/dwelling.h"
#include "run/ledger.h"
#include "run/sweep.h"

/* A create call that was under way when the main process died may take effect this much later: with
   a daemon. What is not there when a world is gone never will be. */
#define SETTLE_TIME   (2 * NSEC_PER_SEC)
#define SETTLE_PAUSE  (250 * NSEC_PER_MSEC)
#define WORK_TIME     (120 * NSEC_PER_SEC)
#define OPEN_PAUSE_MS 500

struct janitor_options {
    const char *run_id;
    struct engine_options engine; /* as the settings have it */
    int results_dir;
};

static int janitor_main(const struct janitor_options *options);

/* --- in the main process --------------------------------------------------------------------- */

/* Whoever waits for the end of what we hold (a lock of flock(1), a pipe somebody reads) must not
   wait for the janitor: it keeps its socket, and the results directory, which by the time it is
   needed may be another's. Both have their places then. */
#define RESULTS_FD 3

static void let_go(int socket, int results_dir)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)dup2(socket, STDIN_FILENO);
    (void)dup2(null, STDOUT_FILENO);
    (void)dup2(null, STDERR_FILENO);
    (void)dup2(results_dir, RESULTS_FD);
    (void)close_range(RESULTS_FD + 1, ~0U, 0);
}

static noreturn void be_janitor(int socket, const struct janitor_options *options)
{
    _cleanup_free_ char *title = xasprintf("cleanroom __janitor %s", options->run_id);
    let_go(socket, options->results_dir);
    proctitle_disguise(title);
    _exit(janitor_main(options));
}

/* Forks twice, so that nobody finds the janitor among our children. Returns its pid. */
static pid_t fork_twice(int socket, const struct janitor_options *options)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0)
        return -1;

    pid_t child = fork(), pid = -1;
    if (child == 0) {
        (void)setsid();
        pid = fork();
        if (pid == 0)
            be_janitor(socket, options);
        (void)!write(report[1], &pid, sizeof(pid));
        _exit(0);
    }
    close(report[1]);
    if (child > 0)
        (void)waitpid(child, NULL, 0);
    if (child < 0 || read(report[0], &pid, sizeof(pid)) != sizeof(pid))
        pid = -1;
    close(report[0]);
    return pid;
}

int janitor_start(struct janitor *j, const char *run_id, const struct settings *settings,
                  int results_dir, struct error *err)
{
    const struct janitor_options options = {
        .run_id = run_id,
        .engine = settings_engine(settings),
        .results_dir = results_dir,
    };
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "could not begin the janitor");
    j->pid = fork_twice(ends[1], &options);
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
    else if (dwelling_is_container())
        (void)poll(&p, 1, 2 * WORK_TIME / NSEC_PER_MSEC);
    close(TAKE_FD(j->gone));
}

/* --- in the janitor -------------------------------------------------------------------------- */

struct work {
    struct sweep sweep;
    struct loop_timer timer;
    nsec_t settle_until; /* 0: there is no need */
    size_t seen;         /* objects removed when last looked */
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
    if (w->sweep.count > w->seen && w->settle_until)
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

    struct work w = {0};
    if (options->engine == ENGINE_DOCKER)
        w.settle_until = clock_now() + SETTLE_TIME;
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
static void open_log(void)
{
    static const char name[] = "janitor.log";
    /* The run emptied the directory: what is there by now is not ours to write to. */
    (void)unlinkat(RESULTS_FD, name, 0);
    int fd = results_create(RESULTS_FD, 0, name, NULL);
    if (fd >= 0) {
        (void)dup2(fd, STDERR_FILENO);
        close(fd);
    }
}

/* The very engine that was used, even if another one would be chosen by now. */
static struct engine_options used_engine(const struct ledger *ledger,
                                         const struct engine_options *asked)
{
    if (strcmp(ledger->engine, "embedded") == 0)
        return (struct engine_options){.engine = ENGINE_EMBEDDED};
    if (strncmp(ledger->where, "unix://", 7) == 0)
        return (struct engine_options){.engine = ENGINE_DOCKER, .host = ledger->where};
    return (struct engine_options){
        .engine = ENGINE_DOCKER, .host = asked->host, .context = asked->context};
}

static int janitor_main(const struct janitor_options *asked)
{
    static const int deaf_to[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < ARRAY_SIZE(deaf_to); i++)
        (void)signal(deaf_to[i], SIG_IGN);

    struct ledger ledger;
    ledger_init(&ledger, -1);
    read_ledger(&ledger);
    bool work = !ledger.done && ledger.where; /* without an engine nothing was made */
    if (work)
        open_log();
    _cleanup_free_ char *scratch = program_scratch(asked->run_id, -1);
    direct_bury(scratch);
    if (!work)
        return 0;
    struct engine_options options = used_engine(&ledger, &asked->engine);
    return clean_up(asked->run_id, &options);
}

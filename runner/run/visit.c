/* SPDX-License-Identifier: Apache-2.0 */
#include "run/visit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/terminal.h"
#include "engine/embedded/wire.h"
#include "run/shell.h"

#define BACKLOG 8

/* What who comes says first. Three descriptors: his standard streams. */
struct hello {
    uint32_t shard;
    bool tty, has_words;
    char *term;
    struct strvec words;
    uint32_t rows, columns;
};

struct verdict {
    int code;
    char *message;
};

static void hello_wire(struct wire *w, struct hello *h)
{
    wire_u32(w, &h->shard);
    wire_bool(w, &h->tty);
    wire_bool(w, &h->has_words);
    wire_str(w, &h->term);
    wire_strvec(w, &h->words);
    wire_u32(w, &h->rows);
    wire_u32(w, &h->columns);
}

static void verdict_wire(struct wire *w, struct verdict *v)
{
    wire_int(w, &v->code);
    wire_str(w, &v->message);
}

static socklen_t address_of(const char *run, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    int len = snprintf(out->sun_path + 1, sizeof(out->sun_path) - 1, "cleanroom-%s", run);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
}

/* Root may be either. */
static bool is_one_of_us(int socket)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

/* --- who keeps ------------------------------------------------------------------------------- */

/* Is remembered to the end: operations of the engine may still know its shell. */
struct guest {
    struct visits *visits;
    int socket; /* -1: he has left, or has been told */
    struct hello hello;
    int streams[3];
    struct shard *shard; /* whose container he has */
    struct shell shell;
    bool ended; /* by itself */
    char *message;
    struct guest *next;
};

struct visits {
    struct loop *loop;
    struct shard *shards;
    size_t count;
    int socket;
    struct guest *guests;
};

static void leave(struct guest *g)
{
    if (g->socket < 0)
        return;
    loop_unwatch(g->visits->loop, g->socket);
    close(TAKE_FD(g->socket));
}

static void tell(struct guest *g, int code, char *message)
{
    _cleanup_wire_ struct wire w;
    struct verdict v = {.code = code, .message = message};
    wire_init(&w);
    verdict_wire(&w, &v);
    if (g->socket >= 0)
        (void)wire_send(g->socket, &w);
    leave(g);
    for (size_t i = 0; i < ARRAY_SIZE(g->streams); i++)
        if (g->streams[i] >= 0)
            close(TAKE_FD(g->streams[i]));
}

static void changed(void *data, struct container *c)
{
    struct guest *g = data;
    g->ended = g->ended || c->stage == CONTAINER_EXITED;
    if (c->stage == CONTAINER_FAILED)
        replace_str(&g->message, c->error.message);
    if (c->stage != CONTAINER_GONE)
        return;
    if (!g->ended && !g->message)
        g->message = xstrdup("what was kept is being removed");
    g->shard = NULL;
    tell(g, g->message ? 3 : c->exit_code, g->message);
}

static struct shard *find_shard(const struct visits *v, uint32_t number)
{
    struct shard *found = NULL;
    for (size_t i = 0; i < v->count; i++) {
        if (v->shards[i].state != SHARD_KEPT)
            continue;
        if ((uint32_t)v->shards[i].number == number)
            return &v->shards[i];
        if (number == 0 && found)
            return NULL;
        found = &v->shards[i];
    }
    return number == 0 ? found : NULL;
}

static void let_in(struct guest *g)
{
    const struct hello *h = &g->hello;
    struct shard *s = find_shard(g->visits, h->shard);
    if (!s) {
        tell(g, 2, (char *)"no such shard is kept; name one that is with --shard K");
        return;
    }
    shell_init(&g->shell, s->number, h->has_words ? (const char *const *)h->words.items : NULL);
    g->shell.in = g->streams[0];
    g->shell.out = g->streams[1];
    g->shell.err = g->streams[2];
    g->shell.remote = true;
    g->shell.term = h->term;
    g->shell.tty = h->tty;
    shell_resize(&g->shell,
                 (struct terminal_size){(unsigned short)h->rows, (unsigned short)h->columns});
    if (shard_let_in(s, &g->shell, changed, g))
        g->shard = s;
    else
        tell(g, 3, (char *)"somebody is inside; one at a time");
}

static void on_guest(void *data, int fd, short revents)
{
    struct guest *g = data;
    _cleanup_wire_ struct wire w;
    (void)revents;
    wire_init(&w);
    int got = wire_receive(fd, &w);
    if (got == 0)
        return;
    if (got < 0) {
        leave(g);
        if (g->shard)
            shard_put_out(g->shard);
        return;
    }
    if (g->shard) {
        uint32_t rows, columns;
        wire_u32(&w, &rows);
        wire_u32(&w, &columns);
        shell_resize(&g->shell,
                     (struct terminal_size){(unsigned short)rows, (unsigned short)columns});
        return;
    }
    hello_wire(&w, &g->hello);
    for (size_t i = 0; i < ARRAY_SIZE(g->streams); i++)
        g->streams[i] = wire_take_fd(&w);
    if (w.bad)
        leave(g);
    else
        let_in(g);
}

static void on_knock(void *data, int fd, short revents)
{
    struct visits *v = data;
    (void)revents;
    int socket = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket < 0)
        return;
    if (!is_one_of_us(socket)) {
        close(socket);
        return;
    }
    struct guest *g = xcalloc(1, sizeof(*g));
    *g = (struct guest){.visits = v, .socket = socket, .streams = {-1, -1, -1}, .next = v->guests};
    v->guests = g;
    loop_watch(v->loop, socket, POLLIN, on_guest, g);
}

struct visits *visits_new(struct loop *loop, const char *run, struct shard *shards, size_t count,
                          struct error *err)
{
    struct sockaddr_un address;
    socklen_t len = address_of(run, &address);
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, len) < 0 || listen(fd, BACKLOG) < 0) {
        error_set_errno(err, ERROR_INTERNAL, errno, "nobody can go inside: no socket");
        return NULL;
    }
    struct visits *v = xcalloc(1, sizeof(*v));
    *v = (struct visits){.loop = loop, .shards = shards, .count = count, .socket = TAKE_FD(fd)};
    loop_watch(loop, v->socket, POLLIN, on_knock, v);
    return v;
}

void visits_free(struct visits *v)
{
    if (!v)
        return;
    loop_unwatch(v->loop, v->socket);
    close(v->socket);
    for (struct guest *g = v->guests, *next; g; g = next) {
        next = g->next;
        if (g->shell.number)
            shell_deinit(&g->shell);
        tell(g, 3, (char *)"what was kept is being removed");
        free(g->hello.term);
        strvec_deinit(&g->hello.words);
        free(g->message);
        free(g);
    }
    free(v);
}

/* --- who comes ------------------------------------------------------------------------------- */

static int knock(const char *run, struct error *err)
{
    struct sockaddr_un address;
    socklen_t len = address_of(run, &address);
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, len) < 0)
        return error_set(
            err, ERROR_USAGE,
            "run '%s' keeps nothing on this machine; see --keep, and what the run said", run);
    if (!is_one_of_us(fd))
        return error_set(err, ERROR_USAGE, "run '%s' is another user's", run);
    return TAKE_FD(fd);
}

static struct terminal_size our_size(void)
{
    struct winsize size = {0};
    (void)ioctl(STDIN_FILENO, TIOCGWINSZ, &size);
    return (struct terminal_size){.rows = size.ws_row, .columns = size.ws_col};
}

static int say_hello(int socket, int shard, bool tty, const char *const *words)
{
    _cleanup_wire_ struct wire w;
    struct terminal_size size = our_size();
    struct hello h = {.shard = (uint32_t)shard,
                      .tty = tty,
                      .has_words = words && *words,
                      .term = getenv("TERM"),
                      .rows = size.rows,
                      .columns = size.columns};
    for (; words && *words; words++)
        strvec_push(&h.words, *words);
    wire_init(&w);
    hello_wire(&w, &h);
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        wire_add_fd(&w, fcntl(fd, F_DUPFD_CLOEXEC, 3));
    strvec_deinit(&h.words);
    return wire_send(socket, &w) > 0 ? 0 : -1;
}

static void say_size(int socket, int signals)
{
    struct signalfd_siginfo info;
    _cleanup_wire_ struct wire w;
    struct terminal_size size = our_size();
    uint32_t rows = size.rows, columns = size.columns;
    (void)!read(signals, &info, sizeof(info));
    wire_init(&w);
    wire_u32(&w, &rows);
    wire_u32(&w, &columns);
    (void)wire_send(socket, &w);
}

static int hear(int socket, struct error *err)
{
    _cleanup_wire_ struct wire w;
    struct verdict v = {0};
    wire_init(&w);
    if (wire_receive(socket, &w) <= 0)
        return error_set(err, ERROR_ENGINE, "who kept the run has gone, and all of it");
    verdict_wire(&w, &v);
    if (v.message)
        error_set(err, v.code == 2 ? ERROR_USAGE : ERROR_ENGINE, "%s", v.message);
    free(v.message);
    return v.code;
}

static int stay(int socket, int signals, struct error *err)
{
    struct pollfd p[] = {{.fd = socket, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    for (;;) {
        if (poll(p, ARRAY_SIZE(p), -1) < 0)
            continue;
        if (p[1].revents)
            say_size(socket, signals);
        if (p[0].revents)
            return hear(socket, err);
    }
}

int visit(const char *run, int shard, const char *const *words, struct error *err)
{
    bool tty = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
    struct terminal terminal = {0};
    sigset_t winch;
    _cleanup_close_ int socket = knock(run, err);
    if (socket < 0)
        return error_exit_code(err->kind);
    sigemptyset(&winch);
    sigaddset(&winch, SIGWINCH);
    (void)sigprocmask(SIG_BLOCK, &winch, NULL);
    _cleanup_close_ int signals = signalfd(-1, &winch, SFD_CLOEXEC);
    if (tty)
        (void)terminal_make_raw(&terminal, STDIN_FILENO);
    int code = -1;
    if (say_hello(socket, shard, tty, words) < 0)
        error_set_errno(err, ERROR_INTERNAL, errno, "could not ask to go inside");
    else
        code = stay(socket, signals, err);
    terminal_restore(&terminal);
    return code < 0 ? error_exit_code(err->kind) : code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real satellite against real sockets: the test plays the services, listening on ports of its
 * own, and reads what the satellite says.
 */
#include "satellite/satellite.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cleanroom/clock.h>
#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

#include "report/directory.h"

#include "tap.h"

#define PATIENCE (10 * NSEC_PER_SEC) /* a loaded machine; passing tests do not wait */

struct run {
    pid_t pid;
    int out;
    int orphan;         /* closing it ends a child that the satellite did not start */
    struct strbuf text; /* read, and not yet taken as lines */
};

/* build/asan/tests/test_satellite -> build/asan/satellite */
static char *satellite_path(void)
{
    char self[4096];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

    self[len > 0 ? len : 0] = '\0';
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(self, '/');
        if (slash)
            *slash = '\0';
    }
    return xasprintf("%s/satellite", self);
}

static void run_start(struct run *r, const struct strvec *args)
{
    _cleanup_free_ char *path = satellite_path();
    int fds[2], orphan[2], quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);

    *r = (struct run){.pid = -1, .out = -1, .orphan = -1, .text = STRBUF_INIT};
    if (!check(access(path, X_OK) == 0) || !check(pipe2(fds, O_CLOEXEC) == 0) ||
        !check(pipe2(orphan, O_CLOEXEC) == 0))
        return;
    r->pid = fork();
    if (r->pid == 0) {
        close(orphan[1]);
        if (fork() == 0) {
            close(fds[1]); /* or the satellite's end would not be the end of its output */
            _exit(read(orphan[0], &quiet, 1) == 0 ? 0 : 1);
        }
        dup2(fds[1], STDOUT_FILENO);
        dup2(quiet, STDERR_FILENO); /* usage, in the tests of bad command lines */
        execv(path, args->items);
        _exit(127);
    }
    close(quiet);
    close(fds[1]);
    close(orphan[0]);
    r->out = fds[0];
    r->orphan = orphan[1];
}

/* satellite hold WORD... */
static void start(struct run *r, ...)
{
    _cleanup_strvec_ struct strvec args = STRVEC_INIT;
    va_list ap;

    strvec_push(&args, "satellite");
    strvec_push(&args, "hold");
    va_start(ap, r);
    for (const char *word = va_arg(ap, const char *); word; word = va_arg(ap, const char *))
        strvec_push(&args, word);
    va_end(ap);
    run_start(r, &args);
}

/* The next line, or NULL when none comes in time. */
static char *next_line(struct run *r, nsec_t patience)
{
    nsec_t deadline = clock_now() + patience;

    for (;;) {
        char *end = memchr(r->text.buf, '\n', r->text.len), bytes[512];
        if (end) {
            char *line = xstrndup(r->text.buf, (size_t)(end - r->text.buf));
            strbuf_consume(&r->text, (size_t)(end + 1 - r->text.buf));
            return line;
        }
        struct pollfd p = {.fd = r->out, .events = POLLIN};
        nsec_t left = deadline - clock_now();
        if (left <= 0 || poll(&p, 1, (int)(left / NSEC_PER_MSEC) + 1) <= 0)
            return NULL;
        ssize_t n = read(r->out, bytes, sizeof(bytes));
        if (n <= 0)
            return NULL;
        strbuf_add(&r->text, bytes, (size_t)n);
    }
}

static void expect_line(struct run *r, const char *want)
{
    _cleanup_free_ char *line = next_line(r, PATIENCE);

    check_str(line, want);
}

/* "ready NAME N": returns N, or -1. */
static long expect_ready(struct run *r, const char *name)
{
    _cleanup_free_ char *line = next_line(r, PATIENCE);
    _cleanup_free_ char *want = xasprintf("ready %s ", name);
    char *end = NULL;

    if (!line || !check(strncmp(line, want, strlen(want)) == 0))
        return -1;
    long micros = strtol(line + strlen(want), &end, 10);
    check(micros >= 0 && *end == '\0' && end > line + strlen(want));
    return micros;
}

/* Waits for the end; returns the exit code, or 128+signal. */
static int run_wait(struct run *r)
{
    int status = 0;

    if (r->orphan >= 0)
        close(r->orphan);
    if (r->pid > 0 && waitpid(r->pid, &status, 0) < 0)
        status = -1;
    close(r->out);
    strbuf_deinit(&r->text);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int run_stop(struct run *r, int signum)
{
    if (r->pid > 0)
        kill(r->pid, signum);
    return run_wait(r);
}

/* A socket bound to a port of the kernel's choice; connecting is refused until it listens. */
static int bind_any(const char *address, int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    inet_pton(AF_INET, address, &at.sin_addr);
    check(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    getsockname(fd, (struct sockaddr *)&at, &len);
    *port = ntohs(at.sin_port);
    return fd;
}

/* The next connection, with a deadline for what follows. */
static int take(int listener)
{
    struct timeval limit = {.tv_sec = 10};
    struct pollfd p = {.fd = listener, .events = POLLIN};

    if (!check(poll(&p, 1, 10000) == 1))
        return -1;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

/* Takes a connection, reads the whole request, answers, hangs up. */
static void serve(int listener, const void *request, size_t len, const void *answer, size_t size)
{
    _cleanup_close_ int fd = take(listener);
    _cleanup_free_ char *got = xmalloc(len);
    ssize_t n = recv(fd, got, len, MSG_WAITALL);

    check_int(n, len);
    check(n == (ssize_t)len && memcmp(got, request, len) == 0);
    check(send(fd, answer, size, MSG_NOSIGNAL) == (ssize_t)size);
}

static const char ping[] = "*1\r\n$4\r\nPING\r\n";
#define serve_redis(listener, answer)                                                              \
    serve(listener, ping, sizeof(ping) - 1, answer, sizeof(answer) - 1)

/* One service through every way of not being ready. */
static void test_the_long_way(void)
{
    struct run r;
    int port;
    _cleanup_close_ int fd = bind_any("127.0.0.1", &port);
    _cleanup_free_ char *probe = xasprintf("cache:redis:%d:", port);

    start(&r, "--probe", probe, NULL);
    expect_line(&r, "up");
    expect_line(&r, "waiting cache connection refused");

    listen(fd, 16);
    close(take(fd)); /* accepts, says nothing, hangs up: by a reset, as the request is unread */
    _cleanup_free_ char *closed = next_line(&r, PATIENCE);
    check(closed && (strcmp(closed, "waiting cache closed without an answer") == 0 ||
                     strcmp(closed, "waiting cache connection reset by peer") == 0));
    serve_redis(fd, "");
    if (closed && strstr(closed, "reset"))
        expect_line(&r, "waiting cache closed without an answer");
    serve_redis(fd, "+PO");
    expect_line(&r, "waiting cache closed within its answer");
    serve_redis(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
    expect_line(&r, "waiting cache not the Redis protocol");
    serve_redis(fd, "-LOADING in memory\r\n");
    expect_line(&r, "waiting cache LOADING in memory");
    serve_redis(fd, "-LOADING in memory\r\n"); /* the same again is no news */
    serve_redis(fd, "+PONG\r\n");
    check(expect_ready(&r, "cache") > 0);

    /* Ready is for good: it does not connect again, and is still there. */
    struct pollfd p = {.fd = fd, .events = POLLIN};
    check_int(poll(&p, 1, 50), 0);
    check_int(run_stop(&r, SIGTERM), 0);
}

/* An answer that never comes ends the attempt, not the probing. */
static void test_silence(void)
{
    struct run r;
    int port;
    _cleanup_close_ int fd = bind_any("127.0.0.1", &port);
    _cleanup_free_ char *probe = xasprintf("m:memcache:%d:", port);

    listen(fd, 16);
    start(&r, "--probe", probe, NULL);
    expect_line(&r, "up");
    nsec_t before = clock_now();
    _cleanup_close_ int silent = take(fd);
    check(silent >= 0);
    expect_line(&r, "waiting m no answer within 1 s");
    check(clock_now() - before > 900 * NSEC_PER_MSEC);
    serve(fd, "version\r\n", 9, "VERSION 1.6.18\r\n", 16);
    check(expect_ready(&r, "m") > 900000);
    check_int(run_stop(&r, SIGINT), 0);
}

/* An answer in pieces is one answer. */
static void test_pieces(void)
{
    static const char answer[] = "R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0";
    struct run r;
    int port;
    _cleanup_close_ int fd = bind_any("0.0.0.0", &port);
    _cleanup_free_ char *probe = xasprintf("db:postgres:%d:my%%20app/na:me", port);

    listen(fd, 16);
    start(&r, "--probe", probe, NULL);
    expect_line(&r, "up");
    _cleanup_close_ int conn = take(fd);
    for (size_t i = 0; i < sizeof(answer) - 1 && i < 9; i++) {
        check_int(send(conn, answer + i, 1, MSG_NOSIGNAL), 1);
        poll(NULL, 0, 2);
    }
    check(expect_ready(&r, "db") > 0);

    char request[128];
    ssize_t n = recv(conn, request, sizeof(request), 0);
    check(n > 8 && memmem(request, (size_t)n, "user\0my app\0database\0na:me", 27) != NULL);
    check_int(run_stop(&r, SIGTERM), 0);
}

/* A postgres on 127.0.0.1 alone is an old image's temporary server: not the one we wait for. */
static void test_temporary_postgres(void)
{
    struct run r;
    int port;
    _cleanup_close_ int fd = bind_any("127.0.0.1", &port);
    _cleanup_free_ char *probe = xasprintf("db:postgres:%d:u/n", port);

    listen(fd, 16);
    start(&r, "--probe", probe, NULL);
    expect_line(&r, "up");
    expect_line(&r, "waiting db connection refused");
    struct pollfd p = {.fd = fd, .events = POLLIN};
    check_int(poll(&p, 1, 100), 0);
    check_int(run_stop(&r, SIGTERM), 0);
}

/* The abstract socket of a copy that listens on this port. */
static int bind_abstract(int port)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int len = snprintf(at.sun_path, sizeof(at.sun_path), "@cleanroom/.s.PGSQL.%d", port);

    at.sun_path[0] = '\0';
    check(bind(fd, (struct sockaddr *)&at,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len)) == 0);
    listen(fd, 16);
    return fd;
}

/* Takes a connection, answers whatever was asked; release with free(): what was asked. */
static char *answer_one(int listener, const void *answer, size_t size, size_t *len)
{
    _cleanup_close_ int fd = take(listener);
    char *got = xcalloc(1, 512);
    ssize_t n = recv(fd, got, 511, 0);

    check(send(fd, answer, size, MSG_NOSIGNAL) == (ssize_t)size);
    *len = n > 0 ? (size_t)n : 0;
    return got;
}

static void start_copy(struct run *r, int *port, int *tcp, int *local)
{
    *tcp = bind_any("127.0.0.2", port);
    listen(*tcp, 16);
    *local = bind_abstract(*port);
    _cleanup_free_ char *probe = xasprintf("db:postgres:%d:u/n", *port);
    setenv("CLEANROOM_PASSWORD_db", "new'one", 1);
    start(r, "--probe", probe, NULL);
    unsetenv("CLEANROOM_PASSWORD_db");
    expect_line(r, "up");
    size_t len;
    free(answer_one(*tcp, "R\0\0\0\x08\0\0\0\5", 9, &len));
    check(len > 8);
}

/* A copy is ready when it has taken its password, and not before. */
static void test_password(void)
{
    static const char done[] = "R\0\0\0\x08\0\0\0\0Z\0\0\0\x05IC\0\0\0\x0f"
                               "ALTER ROLE\0";
    static const char busy[] = "E\0\0\0\x1c"
                               "SFATAL\0C57P03\0Mstarting\0";
    struct run r;
    int port, tcp, local;
    size_t len;

    start_copy(&r, &port, &tcp, &local);
    free(answer_one(local, busy, sizeof(busy), &len));
    expect_line(&r, "waiting db starting");
    _cleanup_free_ char *asked = answer_one(local, done, sizeof(done) - 1, &len);
    check(expect_ready(&r, "db") >= 0);
    check(memmem(asked, len, "ALTER ROLE \"u\" PASSWORD E'new''one'", 36) != NULL);
    check_int(run_stop(&r, SIGTERM), 0);
    close(tcp);
    close(local);
}

static void test_password_refused(void)
{
    static const char asks[] = "R\0\0\0\x08\0\0\0\3";
    struct run r;
    int port, tcp, local;
    size_t len;

    start_copy(&r, &port, &tcp, &local);
    free(answer_one(local, asks, sizeof(asks) - 1, &len));
    expect_line(&r, "refused db its unix socket asks for a password");
    struct pollfd p = {.fd = local, .events = POLLIN};
    check_int(poll(&p, 1, 50), 0); /* that was its last word */
    check_int(run_stop(&r, SIGTERM), 0);
    close(tcp);
    close(local);
}

/* An endless answer is cut off, and the satellite survives it. */
static void test_flood(void)
{
    struct run r;
    int port;
    static const char junk[4096] = "-";
    _cleanup_close_ int fd = bind_any("127.0.0.1", &port);
    _cleanup_free_ char *probe = xasprintf("c:redis:%d:", port);

    listen(fd, 16);
    start(&r, "--probe", probe, NULL);
    expect_line(&r, "up");
    {
        _cleanup_close_ int conn = take(fd);
        for (int i = 0; i < 1000 && send(conn, junk, sizeof(junk), MSG_NOSIGNAL) > 0; i++)
            continue;
    }
    expect_line(&r, "waiting c not the Redis protocol");
    serve_redis(fd, "+PONG\r\n");
    expect_ready(&r, "c");
    check_int(run_stop(&r, SIGTERM), 0);
}

/* Several at once: the slow one does not hold up the others. */
static void test_side_by_side(void)
{
    enum { COUNT = 3 };
    struct run r;
    int fds[COUNT], port;
    char *probes[COUNT];

    for (int i = 0; i < COUNT; i++) {
        fds[i] = bind_any("127.0.0.1", &port);
        listen(fds[i], 16);
        probes[i] = xasprintf("s%d:redis:%d:", i, port);
    }
    start(&r, "--probe", probes[0], "--probe", probes[1], "--probe", probes[2], NULL);
    expect_line(&r, "up");
    _cleanup_close_ int slow = take(fds[0]);
    serve_redis(fds[2], "+PONG\r\n");
    expect_ready(&r, "s2");
    serve_redis(fds[1], "+PONG\r\n");
    expect_ready(&r, "s1");
    check(send(slow, "+PONG\r\n", 7, MSG_NOSIGNAL) == 7);
    expect_ready(&r, "s0");
    check_int(run_stop(&r, SIGTERM), 0);
    for (int i = 0; i < COUNT; i++) {
        close(fds[i]);
        free(probes[i]);
    }
}

/* Whoever takes connections for a server that is not there yet hangs up at once. */
static void test_plain_tcp(void)
{
    struct run r;
    int port, other;
    _cleanup_close_ int fd = bind_any("127.0.0.1", &port), talks = bind_any("127.0.0.1", &other);
    _cleanup_free_ char *probe = xasprintf("mine:tcp:%d:", port);
    _cleanup_free_ char *talker = xasprintf("talks:tcp:%d:", other);

    listen(fd, 16);
    start(&r, "--probe", probe, NULL);
    expect_line(&r, "up");
    close(take(fd));
    expect_line(&r, "waiting mine closed without an answer");
    nsec_t before = clock_now();
    _cleanup_close_ int silent = take(fd);
    check(silent >= 0 && expect_ready(&r, "mine") > 0);
    check(clock_now() - before > 10 * NSEC_PER_MSEC);
    check_int(run_stop(&r, SIGTERM), 0);

    listen(talks, 16);
    start(&r, "--probe", talker, NULL);
    expect_line(&r, "up");
    serve(talks, "", 0, "220 hello\r\n", 11); /* and hangs up */
    check(expect_ready(&r, "talks") > 0);
    check_int(run_stop(&r, SIGTERM), 0);
}

static void test_plain_http(void)
{
    static const char request[] = "GET /health HTTP/1.1\r\nHost: localhost\r\nUser-Agent: "
                                  "cleanroom\r\nAccept: */*\r\nConnection: close\r\n\r\n";
    struct run r;
    int port;
    _cleanup_close_ int fd = bind_any("127.0.0.1", &port);
    _cleanup_free_ char *probe = xasprintf("mine:http:%d:/health 204", port);

    listen(fd, 16);
    start(&r, "--probe", probe, NULL);
    expect_line(&r, "up");
    serve(fd, request, sizeof(request) - 1, "HTTP/1.1 200 OK\r\n\r\n", 19);
    expect_line(&r, "waiting mine HTTP/1.1 200 OK");
    serve(fd, request, sizeof(request) - 1, "HTTP/1.1 204 None\r\n\r\n", 21);
    check(expect_ready(&r, "mine") > 0);
    check_int(run_stop(&r, SIGTERM), 0);
}

static int mode_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? (int)(st.st_mode & 07777) : -1;
}

static void test_directories(void)
{
    char top[] = "/tmp/satellite-XXXXXX";
    struct run r;
    mode_t old = umask(077);

    if (!check(mkdtemp(top) != NULL))
        return;
    _cleanup_free_ char *deep = xasprintf("%s/a/b/c", top);
    _cleanup_free_ char *middle = xasprintf("%s/a/b", top);
    _cleanup_free_ char *upper = xasprintf("%s/a", top);
    _cleanup_free_ char *there = xasprintf("%s/there", top);
    mkdir(there, 0700);

    start(&r, "--dir", deep, "--dir", there, NULL);
    expect_line(&r, "up");
    check_int(mode_of(deep), 01777);
    check_int(mode_of(there), 01777);
    check_int(mode_of(middle), 0755);
    check_int(run_stop(&r, SIGTERM), 0);
    const char *const made[] = {deep, middle, upper, there, top};
    for (size_t i = 0; i < ARRAY_SIZE(made); i++)
        check_int(rmdir(made[i]), 0);
    umask(old);
}

/* A directory that cannot be made is said, and nothing is probed. */
static void test_directory_fails(void)
{
    struct run r;

    start(&r, "--dir", "/proc/self/none/x", NULL);
    check_str(next_line(&r, PATIENCE), NULL);
    check_int(run_wait(&r), 1);
}

/* More than a unix socket's path may have. */
#define TWENTY    "01234567890123456789"
#define LONG_NAME TWENTY TWENTY TWENTY TWENTY TWENTY "1234567"

static void test_usage(void)
{
    static const char *const bad[][2] = {
        {"--dir", NULL},
        {"--dir", "relative"},
        {"--what", "x"},
        {"--probe", "db"},
        {"--probe", "db:postgres:5432"},
        {"--probe", "db:oracle:1521:x"},
        {"--probe", "db:postgres:0:u/n"},
        {"--probe", "db:postgres:65536:u/n"},
        {"--probe", "db:postgres:5432:nothing"},
        {"--probe", ":postgres:5432:u/n"},
        {"--probe", "d b:postgres:5432:u/n"},
        {"--probe", "m:email:25:"},
        {"--sink", "mail"},
        {"--sink", "mail:smtp:25"},
        {"--sink", "mail:smtp:25:relative"},
        {"--sink", "mail:pop3:25:/tmp"},
        {"--sink", "mail:none:25:/tmp"},
        {"--sink", "mail:smtp:0:/tmp"},
        {"--sink", ":smtp:25:/tmp"},
        {"--relay", "3"},
        {"--relay", "=0:5432:tcp"},
        {"--relay", "=5432x:5432:tcp"},
        {"--relay", "2:5432:tcp"},
        {"--relay", "=61999:5432:sctp"},
        {"--relay", "=61999:0:tcp"},
        {"--relay", "=61999:relative:tcp"},
        {"--relay", "=61999:/tmp/socket:udp"},
        {"--relay", "=61999:/" LONG_NAME ":tcp"},
        {"--relay", "/no/such/directory/socket:5432:tcp"},
        {"--relay", "/tmp/cleanroom-test-socket:5432:udp"},
        {"--relay", "/" LONG_NAME ":5432:tcp"},
    };
    struct run r;
    _cleanup_strvec_ struct strvec bare = STRVEC_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        start(&r, bad[i][0], bad[i][1], NULL);
        check_str(next_line(&r, PATIENCE), NULL);
        check_int(run_wait(&r), 2);
    }
    strvec_push(&bare, "satellite");
    run_start(&r, &bare);
    check_int(run_wait(&r), 2);
}

/* Stops at once although a probe is in the middle of an attempt, and without any probe. */
static void test_signals(void)
{
    static const int signals[] = {SIGTERM, SIGINT};
    int port;
    _cleanup_close_ int fd = bind_any("127.0.0.1", &port);
    _cleanup_free_ char *probe = xasprintf("c:redis:%d:", port);

    listen(fd, 16);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        struct run r;
        start(&r, i ? "--probe" : NULL, probe, NULL);
        expect_line(&r, "up");
        if (i)
            close(take(fd));
        nsec_t before = clock_now();
        check_int(run_stop(&r, signals[i]), 0);
        check(clock_now() - before < 500 * NSEC_PER_MSEC);
    }
}

/* When nobody reads any more it goes on holding: the namespace is still wanted. */
static void test_reader_gone(void)
{
    struct run r;
    int port;
    _cleanup_close_ int fd = bind_any("127.0.0.1", &port);
    _cleanup_free_ char *probe = xasprintf("c:redis:%d:", port);

    listen(fd, 16);
    start(&r, "--probe", probe, NULL);
    expect_line(&r, "up");
    close(r.out);
    r.out = -1;
    serve_redis(fd, "-LOADING x\r\n");
    serve_redis(fd, "+PONG\r\n");
    check_int(waitpid(r.pid, NULL, WNOHANG), 0);
    check_int(run_stop(&r, SIGTERM), 0);
}

/* --- sinks ----------------------------------------------------------------------------------- */

struct sink_scene {
    struct run run;
    char dir[64];
    int port;
};

/* A port of that kind that is free now. */
static int free_port(int type)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    _cleanup_close_ int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    check(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    getsockname(fd, (struct sockaddr *)&at, &len);
    return ntohs(at.sin_port);
}

/* what: "NAME:KIND". */
static void sink_start(struct sink_scene *s, const char *what)
{
    _cleanup_free_ char *name = xstrndup(what, strcspn(what, ":"));

    *s = (struct sink_scene){.port = free_port(strstr(what, "udp") ? SOCK_DGRAM : SOCK_STREAM)};
    snprintf(s->dir, sizeof(s->dir), "/tmp/satellite-XXXXXX");
    check(mkdtemp(s->dir) != NULL);
    _cleanup_free_ char *sink = xasprintf("%s:%d:%s", what, s->port, s->dir);
    start(&s->run, "--dir", s->dir, "--sink", sink, NULL);
    expect_line(&s->run, "up");
    expect_ready(&s->run, name);
}

static void sink_stop(struct sink_scene *s)
{
    check_int(run_stop(&s->run, SIGTERM), 0);
    check_int(directory_remove(AT_FDCWD, s->dir), 0);
}

static int sink_connect(const struct sink_scene *s, int type)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)s->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = 10};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    check(connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

static void send_text(int fd, const char *text)
{
    check(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

/* Reads until what was read ends so, or the peer hangs up; release with free(). */
static char *read_until(int fd, const char *end)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    size_t len = end ? strlen(end) : 0;
    char bytes[4096];

    while (!end || text.len < len || strcmp(text.buf + text.len - len, end) != 0) {
        ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
        check(n >= 0);
        if (n <= 0)
            break;
        strbuf_add(&text, bytes, (size_t)n);
    }
    return strbuf_detach(&text);
}

static void expect_file(const struct sink_scene *s, const char *name, const char *want)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", s->dir, name);
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

    check_int(strbuf_read_file(&text, path, 1 << 20), 0);
    check_str(text.buf, want);
}

/* What was sent before this is in the files after it. */
static void flush(struct sink_scene *s)
{
    kill(s->run.pid, SATELLITE_FLUSH);
    expect_line(&s->run, "flushed");
}

#define KEPT_LETTER "Return-Path: <a@x>\r\nX-Envelope-To: <b@y>\r\n"
#define LETTER      "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n"

static void test_mail(void)
{
    struct sink_scene s;

    sink_start(&s, "email:smtp");
    _cleanup_close_ int fd = sink_connect(&s, SOCK_STREAM);
    send_text(fd, LETTER "Subject: 1\r\n\r\none\r\n.\r\n" LETTER "two\r\n.\r\nQUIT\r\n");
    _cleanup_free_ char *said = read_until(fd, NULL);
    check_contains(said, "250 kept as 001.eml\r\n");
    check_contains(said, "250 kept as 002.eml\r\n221 bye\r\n");
    expect_file(&s, "mail/001.eml",
                "Return-Path: <a@x>\r\nX-Envelope-To: <b@y>\r\nSubject: 1\r\n\r\none\r\n");
    expect_file(&s, "mail/002.eml", "Return-Path: <a@x>\r\nX-Envelope-To: <b@y>\r\ntwo\r\n");
    sink_stop(&s);
}

/* Two of a kind do not mix what they are sent. */
static void test_two_of_a_kind(void)
{
    static const char *const kinds[] = {"email:smtp", "reports:smtp", "syslog:syslog-udp",
                                        "audit:syslog-udp"};
    struct sink_scene s = {.port = 0};
    char *sinks[4];
    int ports[4];

    snprintf(s.dir, sizeof(s.dir), "/tmp/satellite-XXXXXX");
    check(mkdtemp(s.dir) != NULL);
    for (int i = 0; i < 4; i++) {
        ports[i] = free_port(i < 2 ? SOCK_STREAM : SOCK_DGRAM);
        sinks[i] = xasprintf("%s:%d:%s", kinds[i], ports[i], s.dir);
    }
    start(&s.run, "--sink", sinks[0], "--sink", sinks[1], "--sink", sinks[2], "--sink", sinks[3],
          NULL);
    expect_line(&s.run, "up");
    for (int i = 0; i < 4; i++) {
        s.port = ports[i];
        _cleanup_free_ char *name = xstrndup(kinds[i], strcspn(kinds[i], ":"));
        expect_ready(&s.run, name);
        _cleanup_close_ int fd = sink_connect(&s, i < 2 ? SOCK_STREAM : SOCK_DGRAM);
        send_text(fd, i < 2 ? LETTER "text\r\n.\r\nQUIT\r\n" : name);
        _cleanup_free_ char *said = i < 2 ? read_until(fd, NULL) : xstrdup("250 kept as 001.eml");
        check_contains(said, "250 kept as 001.eml");
        free(sinks[i]);
    }
    flush(&s);
    expect_file(&s, "mail/001.eml", KEPT_LETTER "text\r\n");
    expect_file(&s, "mail-reports/001.eml", KEPT_LETTER "text\r\n");
    expect_file(&s, "syslog.log", "syslog\n");
    expect_file(&s, "audit.log", "audit\n");
    sink_stop(&s);
}

/* Many at once, each of whom says a little at a time. */
static void test_many_mailers(void)
{
    enum { COUNT = 150 };
    struct sink_scene s;
    int fds[COUNT];

    sink_start(&s, "email:smtp");
    for (int i = 0; i < COUNT; i++)
        fds[i] = sink_connect(&s, SOCK_STREAM);
    for (int i = 0; i < COUNT; i++)
        send_text(fds[i], LETTER);
    for (int i = COUNT; i-- > 0;)
        send_text(fds[i], "text\r\n.\r\n");
    for (int i = 0; i < COUNT; i++) {
        _cleanup_free_ char *said = read_until(fds[i], ".eml\r\n");
        check_contains(said, "kept as");
        close(fds[i]);
    }
    expect_file(&s, "mail/150.eml", "Return-Path: <a@x>\r\nX-Envelope-To: <b@y>\r\ntext\r\n");
    sink_stop(&s);
}

/* Those who say nothing lose their place to those who come. */
static void test_silent_clients(void)
{
    enum { COUNT = 220 };
    struct sink_scene s;
    int fds[COUNT];

    sink_start(&s, "email:smtp");
    for (int i = 0; i < COUNT; i++) {
        fds[i] = sink_connect(&s, SOCK_STREAM);
        free(read_until(fds[i], "SMTP\r\n"));
    }
    _cleanup_free_ char *first = read_until(fds[0], NULL);
    check_str(first, "");
    send_text(fds[COUNT - 1], LETTER ".\r\nQUIT\r\n");
    _cleanup_free_ char *last = read_until(fds[COUNT - 1], NULL);
    check_contains(last, "kept as 001.eml");
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    sink_stop(&s);
}

/* Somebody who never reads: his answers are kept back, and nobody else's. */
static void test_deaf_mailer(void)
{
    struct sink_scene s;
    static const char noops[] = "NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n";

    sink_start(&s, "email:smtp");
    _cleanup_close_ int deaf = sink_connect(&s, SOCK_STREAM);
    size_t sent = 0;
    fcntl(deaf, F_SETFL, O_NONBLOCK);
    for (ssize_t n; sent < (size_t)64 << 20; sent += (size_t)n) {
        n = send(deaf, noops, sizeof(noops) - 1, MSG_NOSIGNAL);
        struct pollfd p = {.fd = deaf, .events = POLLOUT};
        if (n < 0 && poll(&p, 1, 300) == 0)
            break;
        n = n < 0 ? 0 : n;
    }
    check(sent < (size_t)64 << 20);
    _cleanup_close_ int fd = sink_connect(&s, SOCK_STREAM);
    send_text(fd, LETTER ".\r\n");
    free(read_until(fd, ".eml\r\n"));
    sink_stop(&s);
}

static void test_syslog_datagrams(void)
{
    enum { COUNT = 1000 };
    struct sink_scene s;
    _cleanup_strbuf_ struct strbuf want = STRBUF_INIT;

    sink_start(&s, "syslog:syslog-udp");
    _cleanup_close_ int fd = sink_connect(&s, SOCK_DGRAM);
    for (int i = 0; i < COUNT; i++) {
        char text[64];
        int len = snprintf(text, sizeof(text), "<14>app: %d%c", i, i % 2 ? '\n' : '\0');
        check_int(send(fd, text, (size_t)len, 0), len);
        strbuf_addf(&want, "<14>app: %d\n", i);
        if (i % 100 == 0)
            flush(&s); /* the queue is not endless */
    }
    flush(&s);
    expect_file(&s, "syslog.log", want.buf);
    sink_stop(&s);
}

/* More than the kernel's queue holds, while nobody reads: the log says how many are missing. */
static void test_syslog_flood(void)
{
    enum { SIZE = 8192, MOST = 100000 };
    struct sink_scene s;
    static char text[SIZE];
    unsigned sent = 0, kept = 0, lost = 0;

    sink_start(&s, "syslog:syslog-udp");
    _cleanup_close_ int fd = sink_connect(&s, SOCK_DGRAM);
    memset(text, 'x', sizeof(text));
    kill(s.run.pid, SIGSTOP);
    waitpid(s.run.pid, NULL, WUNTRACED);
    for (size_t bytes = 0; bytes < (size_t)40 << 20 && sent < MOST; bytes += SIZE, sent++)
        check_int(send(fd, text, sizeof(text), 0), SIZE);
    kill(s.run.pid, SIGCONT);
    flush(&s);

    _cleanup_free_ char *path = xasprintf("%s/syslog.log", s.dir);
    _cleanup_strbuf_ struct strbuf log = STRBUF_INIT;
    check_int(strbuf_read_file(&log, path, (size_t)64 << 20), 0);
    for (const char *line = log.buf; *line; line = strchr(line, '\n') + 1) {
        kept += *line == 'x';
        lost += *line == '(' ? (unsigned)strtoul(line + 1, NULL, 10) : 0;
    }
    check(kept > 0 && lost > 0);
    check_int(kept + lost, sent);
    sink_stop(&s);
}

static void test_syslog_stream(void)
{
    struct sink_scene s;

    sink_start(&s, "syslog:syslog-tcp");
    _cleanup_close_ int one = sink_connect(&s, SOCK_STREAM), two = sink_connect(&s, SOCK_STREAM);
    send_text(one, "<14>first\n<14>sec");
    flush(&s);
    send_text(two, "6 <14>ab");
    flush(&s);
    send_text(one, "ond\n<14>no end");
    close(TAKE_FD(one));
    flush(&s);
    expect_file(&s, "syslog.log", "<14>first\n<14>ab\n<14>second\n<14>no end\n");
    sink_stop(&s);
}

/* The answer arrives although the request's body was never read. */
static void test_proxy(void)
{
    struct sink_scene s;
    static char body[1 << 20];

    sink_start(&s, "proxy:proxy");
    _cleanup_close_ int fd = sink_connect(&s, SOCK_STREAM);
    send_text(fd, "POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\n"
                  "Content-Length: 1048576\r\n\r\n");
    check(send(fd, body, sizeof(body), MSG_NOSIGNAL) == (ssize_t)sizeof(body));
    _cleanup_free_ char *said = read_until(fd, NULL);
    check(strncmp(said, "HTTP/1.1 502 ", 13) == 0);
    check_contains(said, "--network outside");
    _cleanup_close_ int other = sink_connect(&s, SOCK_STREAM);
    send_text(other, "CONNECT b.example:443 HTTP/1.1\r\n\r\n");
    _cleanup_free_ char *refused = read_until(other, NULL);
    check(strncmp(refused, "HTTP/1.1 502 ", 13) == 0);

    _cleanup_free_ char *path = xasprintf("%s/proxy.log", s.dir);
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    check_int(strbuf_read_file(&text, path, 4096), 0);
    check_contains(text.buf, "Z POST http://a.example/ host=a.example\n");
    check_contains(text.buf, "Z CONNECT b.example:443 host=-\n");
    sink_stop(&s);
}

static void test_sink_port_taken(void)
{
    struct run r;
    int port;
    char dir[] = "/tmp/satellite-XXXXXX";
    _cleanup_close_ int fd = bind_any("127.0.0.1", &port);

    check(mkdtemp(dir) != NULL);
    listen(fd, 1);
    _cleanup_free_ char *sink = xasprintf("mail:smtp:%d:%s", port, dir);
    _cleanup_free_ char *want = xasprintf("refused mail port %d: address already in use", port);
    start(&r, "--sink", sink, NULL);
    expect_line(&r, "up");
    expect_line(&r, want);
    check_int(run_stop(&r, SIGTERM), 0);
    check_int(directory_remove(AT_FDCWD, dir), 0);
}

/* A link that somebody has put there beforehand is not followed. */
static void test_sink_link(void)
{
    struct run r;
    char dir[] = "/tmp/satellite-XXXXXX";
    int port = free_port(SOCK_DGRAM);

    check(mkdtemp(dir) != NULL);
    _cleanup_free_ char *link = xasprintf("%s/syslog.log", dir);
    _cleanup_free_ char *sink = xasprintf("syslog:syslog-udp:%d:%s", port, dir);
    check_int(symlink("/tmp/elsewhere", link), 0);
    start(&r, "--sink", sink, NULL);
    expect_line(&r, "up");
    _cleanup_free_ char *line = next_line(&r, PATIENCE);
    check(line && strncmp(line, "refused syslog ", 15) == 0);
    check_int(run_stop(&r, SIGTERM), 0);
    check_int(directory_remove(AT_FDCWD, dir), 0);
}

/* How many children the process has, dead ones included. */
static int count_children(pid_t pid)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d/task/%d/children", (int)pid, (int)pid);
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_strvec_ struct strvec pids = STRVEC_INIT;

    check_int(strbuf_read_file(&text, path, 4096), 0);
    strvec_split(&pids, text.buf, " ");
    return (int)pids.len;
}

/* As pid 1 it inherits what others leave behind, and buries it. */
static void test_reaps(void)
{
    struct run r;
    nsec_t deadline = clock_now() + PATIENCE;

    start(&r, NULL);
    expect_line(&r, "up");
    check_int(count_children(r.pid), 1);
    close(r.orphan);
    r.orphan = -1;
    while (count_children(r.pid) > 0 && clock_now() < deadline)
        poll(NULL, 0, 1);
    check_int(count_children(r.pid), 0);
    check_int(run_stop(&r, SIGTERM), 0);
}

/* --- relays ---------------------------------------------------------------------------------- */

/* A socket on a free port of 127.0.0.1, or of another address of the loopback. */
static int open_on(in_addr_t address, int type, uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, type, 0); /* inherited */

    check_int(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    check(type == SOCK_DGRAM || listen(fd, 5) == 0);
    check_int(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static int connect_there(in_addr_t address, int type, uint16_t port)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    check_int(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static size_t read_to_end(int fd)
{
    char bytes[65536];
    size_t total = 0;

    for (ssize_t n; (n = read(fd, bytes, sizeof(bytes))) > 0;)
        total += (size_t)n;
    return total;
}

static void write_zeros(int fd, size_t len)
{
    static const char zeros[65536];

    for (ssize_t n; len > 0; len -= (size_t)n) {
        n = write(fd, zeros, len < sizeof(zeros) ? len : sizeof(zeros));
        if (n <= 0)
            return;
    }
}

/* A service that answers when the question has ended, with one byte more than it got. */
static void serve_one(int listener)
{
    int fd = accept(listener, NULL, NULL);
    size_t got = read_to_end(fd);

    write_zeros(fd, got + 1);
    _exit(0);
}

static void start_relay(struct run *r, int fd, uint16_t port, const char *kind)
{
    _cleanup_free_ char *word = xasprintf("%d:%u:%s", fd, port, kind);

    start(r, "--relay", word, NULL);
    expect_line(r, "up");
}

enum { ELSEWHERE = 0x7f070809 };

/* Much more than fits the buffers, both ways, with the end of one before the other begins. */
static void test_relay(void)
{
    struct run r;
    uint16_t inside, outside;
    int service = open_on(INADDR_LOOPBACK, SOCK_STREAM, &inside);
    int handed = open_on(ELSEWHERE, SOCK_STREAM, &outside);

    start_relay(&r, handed, inside, "tcp");
    for (int i = 0; i < 3; i++) {
        pid_t pid = fork();
        if (pid == 0)
            serve_one(service);
        int fd = connect_there(ELSEWHERE, SOCK_STREAM, outside);
        size_t len = i == 0 ? 0 : (size_t)5000000 * (size_t)i;
        write_zeros(fd, len);
        check_int(shutdown(fd, SHUT_WR), 0);
        check_int((long)read_to_end(fd), (long)len + 1);
        close(fd);
        check_int(waitpid(pid, NULL, 0), pid);
    }
    check_int(run_stop(&r, SIGTERM), 0);
    close(service);
    close(handed);
}

/* Nobody listens in the pod: whoever comes is hung up on, and the next one is not forgotten. */
static void test_relay_refused(void)
{
    struct run r;
    uint16_t inside, outside;
    int service = open_on(INADDR_LOOPBACK, SOCK_STREAM, &inside);
    int handed = open_on(ELSEWHERE, SOCK_STREAM, &outside);

    close(service);
    start_relay(&r, handed, inside, "tcp");
    for (int i = 0; i < 3; i++) {
        int fd = connect_there(ELSEWHERE, SOCK_STREAM, outside);
        check_int((long)read_to_end(fd), 0);
        close(fd);
    }
    check_int(run_stop(&r, SIGTERM), 0);
    close(handed);
}

/* What it listens on itself, at all addresses. */
static void test_relay_listens(void)
{
    struct run r;
    uint16_t inside, outside;
    int service = open_on(INADDR_LOOPBACK, SOCK_STREAM, &inside);
    close(open_on(INADDR_ANY, SOCK_STREAM, &outside));
    _cleanup_free_ char *word = xasprintf("@%u:%u:tcp", outside, inside);

    start(&r, "--relay", word, NULL);
    expect_line(&r, "up");
    pid_t pid = fork();
    if (pid == 0)
        serve_one(service);
    int fd = connect_there(ELSEWHERE, SOCK_STREAM, outside);
    write_zeros(fd, 1000000);
    check_int(shutdown(fd, SHUT_WR), 0);
    check_int((long)read_to_end(fd), 1000001);
    close(fd);
    check_int(waitpid(pid, NULL, 0), pid);
    check_int(run_stop(&r, SIGTERM), 0);
    close(service);
}

/* From one namespace to another by way of a socket in a directory that both see. */
static void test_relay_by_path(void)
{
    struct run r, other;
    uint16_t inside, outside;
    char top[] = "/tmp/satellite-XXXXXX";
    int service = open_on(INADDR_LOOPBACK, SOCK_STREAM, &inside);

    close(open_on(INADDR_LOOPBACK, SOCK_STREAM, &outside));
    if (!check(mkdtemp(top) != NULL))
        return;
    _cleanup_free_ char *path = xasprintf("%s/0", top);
    _cleanup_free_ char *here = xasprintf("=%u:%s:tcp", outside, path);
    _cleanup_free_ char *there = xasprintf("%s:%u:tcp", path, inside);
    start(&r, "--relay", here, NULL);
    expect_line(&r, "up");
    int early = connect_there(INADDR_LOOPBACK, SOCK_STREAM, outside);
    check_int((long)read_to_end(early), 0); /* nobody is there yet */
    close(early);
    start(&other, "--relay", there, NULL);
    expect_line(&other, "up");
    for (int i = 0; i < 3; i++) {
        pid_t pid = fork();
        if (pid == 0)
            serve_one(service);
        int fd = connect_there(INADDR_LOOPBACK, SOCK_STREAM, outside);
        size_t len = (size_t)3000000 * (size_t)i;
        write_zeros(fd, len);
        check_int(shutdown(fd, SHUT_WR), 0);
        check_int((long)read_to_end(fd), (long)len + 1);
        close(fd);
        check_int(waitpid(pid, NULL, 0), pid);
    }
    check_int(run_stop(&other, SIGTERM), 0);
    check_int(run_stop(&r, SIGTERM), 0);
    close(service);
    check_int(unlink(path), 0);
    check_int(rmdir(top), 0);
}

/* Of 127.0.0.1 alone. */
static void test_relay_at_loopback(void)
{
    struct run r;
    uint16_t inside, outside;
    int service = open_on(INADDR_LOOPBACK, SOCK_STREAM, &inside);

    close(open_on(INADDR_LOOPBACK, SOCK_STREAM, &outside));
    _cleanup_free_ char *word = xasprintf("=%u:%u:tcp", outside, inside);
    start(&r, "--relay", word, NULL);
    expect_line(&r, "up");
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(outside), .sin_addr.s_addr = htonl(ELSEWHERE)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check_int(connect(fd, (const struct sockaddr *)&to, sizeof(to)), -1);
    check_int(errno, ECONNREFUSED);
    close(fd);
    check_int(run_stop(&r, SIGTERM), 0);
    close(service);
}

static void test_relay_datagrams(void)
{
    struct run r;
    uint16_t inside, outside;
    char got[16] = "";
    int service = open_on(INADDR_LOOPBACK, SOCK_DGRAM, &inside);
    int handed = open_on(ELSEWHERE, SOCK_DGRAM, &outside);

    start_relay(&r, handed, inside, "udp");
    int fd = connect_there(ELSEWHERE, SOCK_DGRAM, outside);
    check_int(send(fd, "word", 4, 0), 4);
    check(poll(&(struct pollfd){.fd = service, .events = POLLIN}, 1, 5000) == 1);
    check_int(recv(service, got, sizeof(got), 0), 4);
    check_str(got, "word");
    close(fd);
    check_int(run_stop(&r, SIGTERM), 0);
    close(service);
    close(handed);
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_the_long_way),
                                       TAP(test_silence),
                                       TAP(test_pieces),
                                       TAP(test_temporary_postgres),
                                       TAP(test_password),
                                       TAP(test_password_refused),
                                       TAP(test_flood),
                                       TAP(test_side_by_side),
                                       TAP(test_plain_tcp),
                                       TAP(test_plain_http),
                                       TAP(test_directories),
                                       TAP(test_directory_fails),
                                       TAP(test_usage),
                                       TAP(test_signals),
                                       TAP(test_reaps),
                                       TAP(test_reader_gone),
                                       TAP(test_mail),
                                       TAP(test_two_of_a_kind),
                                       TAP(test_many_mailers),
                                       TAP(test_silent_clients),
                                       TAP(test_deaf_mailer),
                                       TAP(test_syslog_datagrams),
                                       TAP(test_syslog_flood),
                                       TAP(test_syslog_stream),
                                       TAP(test_proxy),
                                       TAP(test_sink_port_taken),
                                       TAP(test_sink_link),
                                       TAP(test_relay),
                                       TAP(test_relay_refused),
                                       TAP(test_relay_datagrams),
                                       TAP(test_relay_listens),
                                       TAP(test_relay_by_path),
                                       TAP(test_relay_at_loopback),
                                       {0}});
}

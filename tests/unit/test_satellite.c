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
    _cleanup_free_ char *hello = answer_one(*tcp, "R\0\0\0\x08\0\0\0\5", 9, &len);
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
    _cleanup_free_ char *early = answer_one(local, busy, sizeof(busy), &len);
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
    _cleanup_free_ char *asked = answer_one(local, asks, sizeof(asks) - 1, &len);
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
                                       {0}});
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.h's promises against a server that misbehaves in ways no real engine can be made to: what
 * it answers is written down byte by byte.
 */
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include <cleanroom/engine.h>

#include "engine/docker/greet.h"
#include "engine/docker/helper.h"
#include "engine/docker/raw.h"
#include "tap.h"

#define PING                                                                                       \
    "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nServer: Docker/20.10.24 (linux)\r\n"                  \
    "Content-Length: 2\r\nConnection: close\r\n\r\nOK"

/* One scripted answer per connection; a child process plays the server, since opening an engine
   waits. NULL ends the script; an answer of "" closes without a word, and after one that
   begins with '-' the connection stays open, silent, until the peer goes. */
struct server {
    char dir[32];
    char path[64];
    char *host;
    pid_t pid;
};

/* A '~' in a script stands for a NUL byte. */
static void send_answer(int peer, const char *text)
{
    size_t len = strlen(text);
    _cleanup_free_ char *bytes = xmemdup(text, len);
    for (char *p = bytes; (p = memchr(p, '~', len - (size_t)(p - bytes)));)
        *p = '\0';
    for (size_t sent = 0; sent < len;) {
        ssize_t n = write(peer, bytes + sent, len - sent);
        if (n <= 0)
            return;
        sent += (size_t)n;
    }
}

static void serve(int listener, const char *const *answers)
{
    for (; *answers; answers++) {
        char request[65536];
        int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        bool silent = **answers == '-';
        if (read(peer, request, sizeof(request)) > 0)
            send_answer(peer, *answers + silent);
        /* Half closed, then whatever is on its way is taken: no reset that eats the answer. */
        if (!silent)
            (void)shutdown(peer, SHUT_WR);
        while (read(peer, request, sizeof(request)) > 0)
            ;
        close(peer);
    }
    _exit(0);
}

static void server_start(struct server *s, const char *const *answers)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(s->dir, sizeof(s->dir), "/tmp/http-XXXXXX");
    check(mkdtemp(s->dir) != NULL);
    (void)snprintf(s->path, sizeof(s->path), "%s/sock", s->dir);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", s->path);
    s->host = xasprintf("unix://%s", s->path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check_int(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    check_int(listen(listener, 16), 0);
    s->pid = fork();
    if (s->pid == 0)
        serve(listener, answers);
    close(listener);
}

static void server_stop(struct server *s)
{
    (void)kill(s->pid, SIGKILL);
    (void)waitpid(s->pid, NULL, 0);
    (void)unlink(s->path);
    (void)rmdir(s->dir);
    free(s->host);
}

/* An engine on a script, and what one operation on it came to. */
struct scene {
    struct server server;
    struct loop *loop;
    struct engine *engine;
    struct error open_err;
    bool done;
    bool ready;
    enum engine_outcome outcome;
    struct error err;
    struct strbuf output;
    struct loop_timer ticks;
};

static void scene_open(struct scene *s, const char *const *answers)
{
    *s = (struct scene){.output = STRBUF_INIT};
    server_start(&s->server, answers);
    s->loop = loop_new(NULL);
    struct engine_options options = {.host = s->server.host};
    s->engine = engine_open(s->loop, &options, &s->open_err);
}

static void scene_close(struct scene *s)
{
    engine_free(s->engine);
    loop_free(s->loop);
    error_clear(&s->open_err);
    error_clear(&s->err);
    strbuf_deinit(&s->output);
    server_stop(&s->server);
}
#define SCENE struct scene __attribute__((cleanup(scene_close)))

static void on_done(void *data, enum engine_outcome outcome, const struct error *err)
{
    struct scene *s = data;
    check(!s->done);
    s->done = true;
    s->outcome = outcome;
    if (err)
        error_copy(&s->err, err);
}

static void on_state(void *data, enum engine_outcome outcome, const struct container_state *state,
                     const struct error *err)
{
    check((outcome == ENGINE_OK) == (state != NULL));
    on_done(data, outcome, err);
}

static void on_ready(void *data)
{
    ((struct scene *)data)->ready = true;
}

static void on_output(void *data, enum output_stream stream, const void *bytes, size_t len)
{
    struct scene *s = data;
    check(s->ready);
    strbuf_addf(&s->output, "%d", stream);
    strbuf_add(&s->output, bytes, len);
}

static void attach(struct scene *s, const char *answer)
{
    scene_open(s, (const char *[]){PING, answer, NULL});
    if (!check(s->engine != NULL))
        return;
    s->engine->ops->container_attach(s->engine, "x", on_ready, on_output, on_done, s);
    check_int(loop_run(s->loop, &s->done, NULL), 0);
}

static void inspect(struct scene *s, const char *answer)
{
    scene_open(s, (const char *[]){PING, answer, NULL});
    if (!check(s->engine != NULL))
        return;
    s->engine->ops->container_inspect(s->engine, "x", NSEC_INFINITY, on_state, s);
    check_int(loop_run(s->loop, &s->done, NULL), 0);
}

#define FRAMES "\1~~~~~~\2hi\2~~~~~~\1!"

/* The engines' two ways to begin a raw stream. */
static void test_attach_status(void)
{
    static const char *const heads[] = {
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n" FRAMES,
        "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n" FRAMES,
    };
    for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
        SCENE s;
        attach(&s, heads[i]);
        check(s.ready);
        check_str(s.err.message, NULL);
        check_str(s.output.buf, "1hi2!");
        check_int(s.outcome, ENGINE_OK);
    }
}

static void test_attach_broken(void)
{
    static const struct {
        const char *answer;
        const char *words;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\n\r\n\1~~", "broke off"},
        {"HTTP/1.1 200 OK\r\n\r\nplain text, no frames", "makes no sense"},
        {"HTTP/1.1 500 Oops\r\nContent-Length: 18\r\n\r\n{\"message\":\"dead\"}", "docker: dead"},
        {"", "does not answer any more"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        SCENE s;
        attach(&s, cases[i].answer);
        check_int(s.outcome, ENGINE_FAILED);
        check_int(s.err.kind, ERROR_ENGINE);
        check_contains(s.err.message, cases[i].words);
        check_int(s.output.len, 0);
    }
}

static void test_inspect_broken(void)
{
    static const struct {
        const char *answer;
        const char *words;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{", "does not answer any more"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{", "not JSON"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "no 'State/Running'"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "does not answer any more"},
        {"HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n", "no reason"},
        {"rubbish\r\n\r\n", "does not answer any more"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        SCENE s;
        inspect(&s, cases[i].answer);
        check_int(s.outcome, ENGINE_FAILED);
        check_contains(s.err.message, cases[i].words);
    }
}

static void test_outcomes(void)
{
    SCENE s;
    inspect(&s, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    check_int(s.outcome, ENGINE_NOT_FOUND);
    SCENE c;
    inspect(&c, "HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n");
    check_int(c.outcome, ENGINE_CONFLICT);
}

/* An answer without end is broken off, not kept. */
static void test_endless_answer(void)
{
    static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";
    size_t len = 20 * 1024 * 1024;
    _cleanup_free_ char *answer = xmalloc(len + 1);
    memset(answer, ' ', len);
    memcpy(answer, head, sizeof(head) - 1);
    answer[len] = '\0';
    SCENE s;
    inspect(&s, answer);
    check_int(s.outcome, ENGINE_FAILED);
    check_contains(s.err.message, "more than 16 MiB");
}

static void tick(void *data)
{
    struct scene *s = data;
    loop_timer_arm(s->loop, &s->ticks, clock_now() + 1, tick, s);
}

/* What is late is called late, not broken, also for a deadline on the other side of a second's
   turn: libcurl 7.88 sees that up to a millisecond early, when something else wakes it then. */
static void test_late(void)
{
    SCENE s;
    scene_open(&s, (const char *[]){PING, "-HTTP/1.1 200 OK\r\n\r\n", NULL});
    if (!check(s.engine != NULL))
        return;
    nsec_t turn = (clock_now() / NSEC_PER_SEC + 1) * NSEC_PER_SEC;
    nsec_t start = turn - 20 * NSEC_PER_MSEC, deadline = turn + NSEC_PER_MSEC * 9 / 10;
    const struct timespec at = {.tv_sec = start / NSEC_PER_SEC, .tv_nsec = start % NSEC_PER_SEC};
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);

    s.engine->ops->container_inspect(s.engine, "x", deadline, on_state, &s);
    tick(&s);
    check_int(loop_run(s.loop, &s.done, NULL), 0);
    loop_timer_disarm(s.loop, &s.ticks);
    check(clock_now() >= deadline);
    check_int(s.outcome, ENGINE_FAILED);
    check_int(s.err.kind, ERROR_TIMEOUT);
    check_contains(s.err.message, "did not answer in time");
}

static void test_greetings(void)
{
    static const struct {
        const char *answer;
        const char *version; /* or NULL, and words of the error */
        const char *words;
    } cases[] = {
        {PING, "20.10.24 (API 1.41)", NULL},
        {"HTTP/1.1 200 OK\r\nApi-Version: 1.39\r\nServer: Docker/18.9 (linux)\r\n"
         "Content-Length: 0\r\nConnection: close\r\n\r\n",
         NULL, "API 1.39, too old"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", NULL, "other end"},
        {"", NULL, "no engine answers"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        SCENE s;
        scene_open(&s,
                   (const char *[]){cases[i].answer,
                                    "HTTP/1.1 500 x\r\nContent-Length: 9\r\n\r\nother end", NULL});
        check_str(s.engine ? s.engine->version : NULL, cases[i].version);
        if (cases[i].words)
            check_contains(s.open_err.message, cases[i].words);
    }
}

/* What an engine newer than we are answers to /version decides. */
static void test_newer_engine(void)
{
    static const char ping[] = "HTTP/1.1 200 OK\r\nApi-Version: 1.99\r\nServer: Docker/40.0\r\n"
                               "Content-Length: 0\r\nConnection: close\r\n\r\n";
    SCENE s;
    scene_open(&s, (const char *[]){ping,
                                    "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"Version\":"
                                    "\"40.0\",\"ApiVersion\":\"1.99\",\"MinAPIVersion\":\"1.44\"}",
                                    NULL});
    check_str(s.engine ? s.engine->version : s.open_err.message, "40.0 (API 1.52)");
    SCENE t;
    scene_open(&t, (const char *[]){ping,
                                    "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"Version\":"
                                    "\"40.0\",\"ApiVersion\":\"1.99\",\"MinAPIVersion\":\"1.90\"}",
                                    NULL});
    check_contains(t.open_err.message, "a newer cleanroom is needed");
}

static void test_versions(void)
{
    check_int(greet_api_minor("1.41"), 41);
    check_int(greet_api_minor("2.0"), 0);
    check_int(greet_api_minor("1.41x"), 0);
    check_int(greet_api_minor(""), 0);
    check_int(greet_negotiate(12, 41, NULL), 41);
    check_int(greet_negotiate(44, 60, NULL), API_NEWEST);
    check_int(greet_negotiate(12, 39, NULL), -1);
    check_int(greet_negotiate(API_NEWEST + 1, 99, NULL), -1);
}

struct heard {
    bool done;
    int status;
    char text[64];
};

static void on_helper(void *data, int status, const char *output, size_t len)
{
    struct heard *h = data;
    h->done = true;
    h->status = status;
    (void)snprintf(h->text, sizeof(h->text), "%.*s", (int)len, output);
}

static struct heard run_helper(const char *script, nsec_t patience)
{
    struct heard heard = {0};
    struct loop *loop = loop_new(NULL);
    const char *argv[] = {"sh", "-c", script, NULL};
    check(helper_new(loop, argv, "question", clock_now() + patience, on_helper, &heard, NULL) !=
          NULL);
    check_int(loop_run(loop, &heard.done, NULL), 0);
    loop_free(loop);
    return heard;
}

static void test_helper(void)
{
    struct heard h = run_helper("read q; echo \"$q!\"; exit 3", 10 * NSEC_PER_SEC);
    check_int(h.status, 3);
    check_str(h.text, "question!\n");
    h = run_helper("kill -9 $$", 10 * NSEC_PER_SEC);
    check_int(h.status, 128 + 9);
    h = run_helper("exec sleep 100", NSEC_PER_SEC / 20);
    check_int(h.status, HELPER_TIMEOUT);
    /* More than a pipe holds, more than we keep; and a grandchild that keeps the pipe. */
    h = run_helper("head -c 1000000 /dev/zero; (exec sleep 5 2>&-) & exit 0", 4 * NSEC_PER_SEC);
    check_int(h.status, 0);
}

static void check_head(const char *text, size_t len, int status, size_t body)
{
    int got;
    size_t length;
    check_int(raw_head(text, strlen(text), &got, &length), len);
    check_int(got, status);
    check_int(length, body);
}

static void test_heads_of_upgrades(void)
{
    check_head("HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nbytes", 39, 101, 0);
    check_head("HTTP/1.1 404 No\r\nX: y\r\ncontent-LENGTH: 12\r\n\r\n", 45, 404, 12);
    check_head("HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n", 0, -1, 0);
    check_head("SSH-2.0-x\r\n\r\n", 13, -1, 0);
    check_head("HTTP/1.\r\n\r\n", 11, -1, 0);
    check_head("", 0, -1, 0);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    return tap_run((struct tap_test[]){TAP(test_attach_status),
                                       TAP(test_attach_broken),
                                       TAP(test_inspect_broken),
                                       TAP(test_outcomes),
                                       TAP(test_endless_answer),
                                       TAP(test_late),
                                       TAP(test_greetings),
                                       TAP(test_newer_engine),
                                       TAP(test_versions),
                                       TAP(test_helper),
                                       TAP(test_heads_of_upgrades),
                                       {0}});
}

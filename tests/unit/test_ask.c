/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cleanroom/loop.h>

#include "engine/store/ask.h"

#include "tap.h"

static void test_answers_are_taken_apart(void)
{
    static const struct {
        const char *answer;
        int status;
        const char *body;
    } cases[] = {
        {"HTTP/1.0 200 OK\r\nA: b\r\n\r\n{}", 200, "{}"},
        {"HTTP/1.1 404 Not Found\r\n\r\n", 404, ""},
        {"HTTP/1.0 200 OK\r\nA: b\r\n", 0, NULL},
        {"HTTP/2 200\r\n\r\n", 0, NULL},
        {"SSH-2.0-OpenSSH\r\n\r\n", 0, NULL},
        {"", 0, NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t body = 0;
        check_int(ask_parse(cases[i].answer, strlen(cases[i].answer), &body), cases[i].status);
        if (cases[i].body)
            check_str(cases[i].answer + body, cases[i].body);
    }
}

struct seen {
    bool stop;
    int status, calls;
    char *body;
};

static void on_answer(void *data, int status, const char *body, size_t len)
{
    struct seen *s = data;
    s->stop = true;
    s->calls++;
    s->status = status;
    s->body = xstrndup(body, len);
}

struct server {
    char dir[32];
    char *path;
    int fd;
};

static void server_init(struct server *s)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    *s = (struct server){.dir = "/tmp/test-ask-XXXXXX"};
    check(mkdtemp(s->dir));
    s->path = xasprintf("%s/s", s->dir);
    memcpy(at.sun_path, s->path, strlen(s->path));
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check_int(bind(s->fd, (struct sockaddr *)&at, sizeof(at)), 0);
    check_int(listen(s->fd, 4), 0);
}

static void server_deinit(struct server *s)
{
    close(s->fd);
    (void)unlink(s->path);
    (void)rmdir(s->dir);
    free(s->path);
}

/* In a process of its own: answers one question in two parts, with the question as the body. */
static pid_t serve(struct server *s)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    char question[256];
    int fd = accept(s->fd, NULL, NULL);
    ssize_t n = read(fd, question, sizeof(question));
    (void)!write(fd, "HTTP/1.0 200", 12);
    (void)!write(fd, " OK\r\n\r\n", 7);
    (void)!write(fd, question, n > 0 ? (size_t)n : 0);
    _exit(0);
}

static void ask_once(const char *socket, nsec_t time, struct seen *seen)
{
    struct loop *loop = loop_new(NULL);
    *seen = (struct seen){0};
    ask_begin(loop, socket, "/images/x/json", clock_now() + time, on_answer, seen);
    check_int(seen->calls, 0);
    check_int(loop_run(loop, &seen->stop, NULL), 0);
    loop_free(loop);
    check_int(seen->calls, 1);
}

static void test_a_question(void)
{
    struct server s;
    struct seen seen;
    server_init(&s);
    pid_t pid = serve(&s);
    ask_once(s.path, 10 * NSEC_PER_SEC, &seen);
    check_int(seen.status, 200);
    check_str(seen.body, "GET /images/x/json HTTP/1.0\r\nHost: localhost\r\n\r\n");
    free(seen.body);
    (void)waitpid(pid, NULL, 0);
    server_deinit(&s);
}

static void test_nobody_answers(void)
{
    struct server s;
    struct seen seen;
    server_init(&s);
    ask_once(s.path, 10 * NSEC_PER_MSEC, &seen); /* it is accepted by nobody */
    check_int(seen.status, 0);
    free(seen.body);
    server_deinit(&s);

    ask_once("/nowhere/s", 60 * NSEC_PER_SEC, &seen);
    check_int(seen.status, 0);
    free(seen.body);
}

static void test_who_cancels_hears_nothing(void)
{
    struct server s;
    struct seen seen = {0};
    server_init(&s);
    struct loop *loop = loop_new(NULL);
    ask_cancel(ask_begin(loop, s.path, "/x", NSEC_INFINITY, on_answer, &seen));
    ask_cancel(NULL);
    check_int(seen.calls, 0);
    loop_free(loop);
    server_deinit(&s);
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_answers_are_taken_apart),
                                       TAP(test_a_question),
                                       TAP(test_nobody_answers),
                                       TAP(test_who_cancels_hears_nothing),
                                       {0}});
}

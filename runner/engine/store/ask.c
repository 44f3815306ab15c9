/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/ask.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cleanroom/strbuf.h>

enum { ANSWER_MAX_BYTES = 4 << 20 };

struct ask {
    struct loop *loop;
    int fd; /* -1: nobody listens */
    struct strbuf answer;
    struct loop_timer timer;
    ask_done_fn done;
    void *data;
};

static void ask_free(struct ask *a)
{
    loop_timer_disarm(a->loop, &a->timer);
    if (a->fd >= 0) {
        loop_unwatch(a->loop, a->fd);
        close(a->fd);
    }
    strbuf_deinit(&a->answer);
    free(a);
}

void ask_cancel(struct ask *a)
{
    if (a)
        ask_free(a);
}

int ask_parse(const char *answer, size_t len, size_t *body)
{
    int status = 0;
    const char *end = memmem(answer, len, "\r\n\r\n", 4);
    if (!end || len < 12 || sscanf(answer, "HTTP/1.%*1[01] %3d", &status) != 1)
        return 0;
    *body = (size_t)(end + 4 - answer);
    return status;
}

static void finish(struct ask *a, bool answered)
{
    struct strbuf answer _cleanup_strbuf_ = a->answer;
    a->answer = STRBUF_INIT;
    ask_done_fn done = a->done;
    void *data = a->data;
    size_t body = 0;
    int status = answered ? ask_parse(answer.buf, answer.len, &body) : 0;
    ask_free(a);
    done(data, status, answer.buf + body, answer.len - body);
}

static void give_up(void *data)
{
    finish(data, false);
}

static void on_answer(void *data, int fd, short revents)
{
    struct ask *a = data;
    char chunk[16384];
    ssize_t n;
    (void)revents;
    while ((n = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT)) > 0)
        if (strbuf_add(&a->answer, chunk, (size_t)n) < 0) {
            finish(a, false);
            return;
        }
    if (n == 0)
        finish(a, true);
    else if (errno != EAGAIN && errno != EINTR)
        finish(a, false);
}

/* The question fits any socket's buffer. -1: nobody listens, or too many ask at once. */
static int pose(const char *socket_path, const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (strlen(socket_path) >= sizeof(to.sun_path))
        return -1;
    memcpy(to.sun_path, socket_path, strlen(socket_path));
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    _cleanup_free_ char *text = xasprintf("GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", path);
    size_t len = strlen(text);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ||
        send(fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
        return -1;
    return TAKE_FD(fd);
}

struct ask *ask_begin(struct loop *loop, const char *socket, const char *path, nsec_t deadline,
                      ask_done_fn done, void *data)
{
    struct ask *a = xcalloc(1, sizeof(*a));
    *a = (struct ask){.loop = loop, .fd = pose(socket, path), .done = done, .data = data};
    strbuf_init(&a->answer, ANSWER_MAX_BYTES);
    if (a->fd >= 0)
        loop_watch(loop, a->fd, POLLIN, on_answer, a);
    loop_timer_arm(loop, &a->timer, a->fd >= 0 ? deadline : 1, give_up, a);
    return a;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/loop.h>

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>

#include <cleanroom/vec.h>

#define LONGEST_WAIT (60 * NSEC_PER_SEC)

struct watch {
    int fd; /* -1: unwatched, to be dropped after the round */
    short events;
    loop_fd_fn fn;
    void *data;
};

/* Hung on the easy handle by CURLOPT_PRIVATE. */
struct transfer {
    loop_transfer_fn fn;
    void *data;
};

struct loop {
    CURLM *multi;     /* made for the first transfer */
    size_t transfers; /* in it */
    VEC(struct watch) watches;
    VEC(struct pollfd) fds;    /* rebuilt each round, parallel to watches */
    struct loop_timer *timers; /* sorted by time */
};

struct loop *loop_new(struct error *err)
{
    (void)err;
    return xcalloc(1, sizeof(struct loop));
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    if (loop->multi)
        curl_multi_cleanup(loop->multi);
    vec_deinit(&loop->watches);
    vec_deinit(&loop->fds);
    free(loop);
}

void loop_watch(struct loop *loop, int fd, short events, loop_fd_fn fn, void *data)
{
    *vec_push(&loop->watches) = (struct watch){.fd = fd, .events = events, .fn = fn, .data = data};
}

void loop_unwatch(struct loop *loop, int fd)
{
    for (size_t i = 0; i < loop->watches.len; i++)
        if (loop->watches.items[i].fd == fd)
            loop->watches.items[i].fd = -1;
}

void loop_timer_disarm(struct loop *loop, struct loop_timer *timer)
{
    if (timer->at == 0)
        return;
    for (struct loop_timer **p = &loop->timers; *p; p = &(*p)->next) {
        if (*p == timer) {
            *p = timer->next;
            break;
        }
    }
    timer->at = 0;
}

void loop_timer_arm(struct loop *loop, struct loop_timer *timer, nsec_t at, loop_timer_fn fn,
                    void *data)
{
    loop_timer_disarm(loop, timer);
    if (at == NSEC_INFINITY)
        return;

    struct loop_timer **p = &loop->timers;
    while (*p && (*p)->at <= at)
        p = &(*p)->next;
    *timer = (struct loop_timer){.at = at > 0 ? at : 1, .fn = fn, .data = data, .next = *p};
    *p = timer;
}

int loop_transfer_add(struct loop *loop, void *curl_easy, loop_transfer_fn fn, void *data,
                      struct error *err)
{
    if (!loop->multi && !(loop->multi = curl_multi_init()))
        return error_set(err, ERROR_INTERNAL, "could not set up libcurl");
    struct transfer *t = xcalloc(1, sizeof(*t));
    *t = (struct transfer){.fn = fn, .data = data};
    curl_easy_setopt(curl_easy, CURLOPT_PRIVATE, t);

    CURLMcode code = curl_multi_add_handle(loop->multi, curl_easy);
    if (code == CURLM_OK) {
        loop->transfers++;
        return 0;
    }
    free(t);
    return error_set(err, ERROR_INTERNAL, "could not begin a transfer: %s",
                     curl_multi_strerror(code));
}

static struct transfer *transfer_detach(struct loop *loop, CURL *easy)
{
    struct transfer *t = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&t);
    curl_multi_remove_handle(loop->multi, easy);
    loop->transfers--;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, NULL);
    return t;
}

void loop_transfer_remove(struct loop *loop, void *curl_easy)
{
    free(transfer_detach(loop, curl_easy));
}

static void dispatch_transfers(struct loop *loop)
{
    CURLMsg *msg;
    int left;
    while ((msg = curl_multi_info_read(loop->multi, &left))) {
        if (msg->msg != CURLMSG_DONE)
            continue;
        CURL *easy = msg->easy_handle;
        CURLcode result = msg->data.result; /* msg dies with the removal */
        struct transfer t = {0};
        struct transfer *p = transfer_detach(loop, easy);
        t = *p;
        free(p);
        t.fn(t.data, easy, (int)result);
    }
}

static void dispatch_timers(struct loop *loop)
{
    nsec_t now = clock_now();
    while (loop->timers && loop->timers->at <= now) {
        struct loop_timer *timer = loop->timers;
        loop->timers = timer->next;
        timer->at = 0;
        timer->fn(timer->data);
    }
}

/* Watches added by a callback are looked at in the next round: fds ends where this round began. */
static void dispatch_fds(struct loop *loop)
{
    for (size_t i = 0; i < loop->fds.len; i++) {
        struct watch w = loop->watches.items[i];
        if (w.fd >= 0 && loop->fds.items[i].revents)
            w.fn(w.data, w.fd, loop->fds.items[i].revents);
    }
}

static void drop_unwatched(struct loop *loop)
{
    size_t kept = 0;
    for (size_t i = 0; i < loop->watches.len; i++)
        if (loop->watches.items[i].fd >= 0)
            loop->watches.items[kept++] = loop->watches.items[i];
    loop->watches.len = kept;
}

static void collect_fds(struct loop *loop)
{
    drop_unwatched(loop);
    loop->fds.len = 0;
    for (size_t i = 0; i < loop->watches.len; i++) {
        const struct watch *w = &loop->watches.items[i];
        *vec_push(&loop->fds) = (struct pollfd){.fd = w->fd, .events = w->events};
    }
}

static nsec_t time_to_wait(const struct loop *loop)
{
    nsec_t wait = loop->timers ? loop->timers->at - clock_now() : LONGEST_WAIT;
    return wait <= 0 ? 0 : wait < LONGEST_WAIT ? wait : LONGEST_WAIT;
}

/* Without transfers there is nothing for libcurl to do, and timers are as exact as the kernel. */
static int wait_without_curl(struct loop *loop, struct error *err)
{
    nsec_t wait = time_to_wait(loop);
    const struct timespec time = {.tv_sec = wait / NSEC_PER_SEC, .tv_nsec = wait % NSEC_PER_SEC};
    if (ppoll(loop->fds.items, loop->fds.len, &time, NULL) >= 0)
        return 0;
    loop->fds.len = 0; /* not filled in */
    return errno == EINTR
               ? 0
               : error_set_errno(err, ERROR_INTERNAL, errno, "could not wait for events");
}

/* What curl_multi_poll() takes is a pollfd under another name; CURL_WAIT_POLLIN and POLLOUT are 1
   and 4, as poll(2)'s are on Linux. */
_Static_assert(sizeof(struct curl_waitfd) == sizeof(struct pollfd) &&
                   offsetof(struct curl_waitfd, events) == offsetof(struct pollfd, events) &&
                   offsetof(struct curl_waitfd, revents) == offsetof(struct pollfd, revents),
               "curl_waitfd");

static int wait_with_curl(struct loop *loop, struct error *err)
{
    nsec_t wait = time_to_wait(loop);
    CURLMcode code = curl_multi_poll(loop->multi, (struct curl_waitfd *)loop->fds.items,
                                     (unsigned)loop->fds.len,
                                     (int)((wait + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC), NULL);
    if (code == CURLM_OK)
        return 0;
    return error_set(err, ERROR_INTERNAL, "could not wait for events: %s",
                     curl_multi_strerror(code));
}

static int run_transfers(struct loop *loop, struct error *err)
{
    int running;
    CURLMcode code = loop->transfers ? curl_multi_perform(loop->multi, &running) : CURLM_OK;
    if (code != CURLM_OK)
        return error_set(err, ERROR_INTERNAL, "could not transfer: %s", curl_multi_strerror(code));
    if (loop->transfers)
        dispatch_transfers(loop);
    return 0;
}

int loop_run(struct loop *loop, const bool *stop, struct error *err)
{
    while (!*stop) {
        if (run_transfers(loop, err) < 0)
            return -1;
        dispatch_timers(loop);
        if (*stop)
            break;
        collect_fds(loop);
        if ((loop->transfers ? wait_with_curl : wait_without_curl)(loop, err) < 0)
            return -1;
        dispatch_fds(loop);
    }
    return 0;
}

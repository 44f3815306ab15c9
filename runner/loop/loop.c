/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/loop.h>

#include <assert.h>
#include <curl/curl.h>
#include <poll.h>

#include <cleanroom/vec.h>

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
    CURLM *multi;
    VEC(struct watch) watches;
    VEC(struct curl_waitfd) fds; /* rebuilt each round, parallel to watches */
    struct loop_timer *timers;   /* sorted by time */
};

struct loop *loop_new(struct error *err)
{
    struct loop *loop = xcalloc(1, sizeof(*loop));
    loop->multi = curl_multi_init();
    if (!loop->multi) {
        free(loop);
        error_set(err, ERROR_INTERNAL, "could not set up libcurl");
        return NULL;
    }
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
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
    struct transfer *t = xcalloc(1, sizeof(*t));
    *t = (struct transfer){.fn = fn, .data = data};
    curl_easy_setopt(curl_easy, CURLOPT_PRIVATE, t);

    CURLMcode code = curl_multi_add_handle(loop->multi, curl_easy);
    if (code == CURLM_OK)
        return 0;
    free(t);
    return error_set(err, ERROR_INTERNAL, "could not begin a transfer: %s",
                     curl_multi_strerror(code));
}

static struct transfer *transfer_detach(struct loop *loop, CURL *easy)
{
    struct transfer *t = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&t);
    curl_multi_remove_handle(loop->multi, easy);
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
        struct curl_waitfd *w = vec_push(&loop->fds);
        w->fd = loop->watches.items[i].fd;
        /* CURL_WAIT_POLLIN and POLLOUT are 1 and 4, as poll(2)'s are on Linux. */
        w->events = loop->watches.items[i].events;
    }
}

static int poll_timeout_ms(const struct loop *loop)
{
    if (!loop->timers)
        return 60 * 1000;
    nsec_t wait = loop->timers->at - clock_now();
    if (wait <= 0)
        return 0;
    if (wait > 60 * NSEC_PER_SEC)
        return 60 * 1000;
    return (int)((wait + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
}

int loop_run(struct loop *loop, const bool *stop, struct error *err)
{
    while (!*stop) {
        int running;
        CURLMcode code = curl_multi_perform(loop->multi, &running);
        if (code == CURLM_OK) {
            dispatch_transfers(loop);
            dispatch_timers(loop);
            if (*stop)
                break;
            collect_fds(loop);
            code = curl_multi_poll(loop->multi, loop->fds.items, (unsigned)loop->fds.len,
                                   poll_timeout_ms(loop), NULL);
        }
        if (code != CURLM_OK)
            return error_set(err, ERROR_INTERNAL, "could not wait for events: %s",
                             curl_multi_strerror(code));
        dispatch_fds(loop);
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one event loop: libcurl transfers, file descriptors and timers in one thread.
 *
 * While there are transfers, libcurl's multi interface is the poll. Callbacks of all kinds are
 * called from loop_run() only, never from within the call that armed them; they may arm, disarm and
 * free anything of their own.
 */
#ifndef CLEANROOM_LOOP_H
#define CLEANROOM_LOOP_H

#include <stdbool.h>

#include <cleanroom/clock.h>
#include <cleanroom/error.h>

struct loop;

typedef void (*loop_fd_fn)(void *data, int fd, short revents);
typedef void (*loop_timer_fn)(void *data);
/* curl_easy is the CURL * that was added; result its CURLcode. */
typedef void (*loop_transfer_fn)(void *data, void *curl_easy, int result);

/* Embedded by its owner; armed while at != 0. */
struct loop_timer {
    nsec_t at;
    loop_timer_fn fn;
    void *data;
    struct loop_timer *next; /* the loop's */
};

struct loop *loop_new(struct error *err);
/* Accepts NULL. All transfers must have ended or been removed. */
void loop_free(struct loop *loop);

/* Watches fd for poll(2) events until loop_unwatch(). One watch per fd. */
void loop_watch(struct loop *loop, int fd, short events, loop_fd_fn fn, void *data);
void loop_unwatch(struct loop *loop, int fd);

/* (Re)arms: fn(data) is called once when clock_now() >= at. */
void loop_timer_arm(struct loop *loop, struct loop_timer *timer, nsec_t at, loop_timer_fn fn,
                    void *data);
/* Harmless when not armed. */
void loop_timer_disarm(struct loop *loop, struct loop_timer *timer);

/* Adds a libcurl easy handle; fn is called once when it ends, after which the handle is out of the
   loop and the caller's again. The handle's CURLOPT_PRIVATE belongs to the loop. */
int loop_transfer_add(struct loop *loop, void *curl_easy, loop_transfer_fn fn, void *data,
                      struct error *err);
/* Takes a handle out before its end; fn is not called. Never from within a libcurl callback. */
void loop_transfer_remove(struct loop *loop, void *curl_easy);

/* Runs until *stop is true (looked at after each round of callbacks). Returns 0, or -1 when the
   poll itself failed. */
int loop_run(struct loop *loop, const bool *stop, struct error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP request to the engine at a time: over a unix socket or TCP, in the loop.
 *
 * A call begins in the loop's next round (so that it may be made from within any callback,
 * libcurl's included) and ends by calling `done` exactly once, after which it frees itself; or by
 * http_call_cancel(), and `done` is never called. Nothing is sent twice, but for a GET or DELETE
 * whose kept-alive connection turned out to be dead before it carried a byte of the answer.
 */
#ifndef DOCKER_HTTP_H
#define DOCKER_HTTP_H

#include <cleanroom/clock.h>
#include <cleanroom/error.h>
#include <cleanroom/loop.h>
#include <cleanroom/strbuf.h>

#include "engine/docker/endpoint.h"

/* How to reach one engine. */
struct http {
    struct loop *loop;
    struct endpoint endpoint; /* owned */
    char *prefix;             /* "/v1.41" before every path; "" until the engine was greeted */
};
void http_deinit(struct http *http);

/* Given over to the call, with all its owned strings. */
struct http_request {
    const char *method;
    char *path; /* with its query; owned */
    char *body; /* owned, or NULL */
    size_t body_len;
    const char *type; /* the body's content type */
    char *auth;       /* value of X-Registry-Auth, owned, or NULL */
    bool versioned;   /* path begins with a version of its own */
};

/* For a request that was not given over. */
void http_request_deinit(struct http_request *request);

struct http_answer {
    int status; /* 0: there was none */
    const char *body;
    size_t body_len;
    const struct error *err; /* the transfer broke, or its deadline passed; else NULL */
};

struct http_handlers {
    /* The answer's headers are there and its status is 2xx (or 101); or NULL. Called before body.
     */
    void (*ready)(void *data);
    /* Takes the body of a 2xx (or 101) as it comes; called from within libcurl. Returning -1 breaks
       the transfer off. NULL: it is collected for `done`, up to 16 MiB. */
    int (*body)(void *data, const void *bytes, size_t len);
    void (*done)(void *data, const struct http_answer *answer);
};

/* A CURL * that knows where the engine is and how to talk to it; NULL without libcurl. */
void *http_easy_new(const struct http *http, const char *prefix, const char *path);

struct http_call;
struct http_call *http_call_new(struct http *http, struct http_request *request, nsec_t deadline,
                                const struct http_handlers *handlers, void *data);
/* Ends a call without `done`. Accepts NULL. Never from within libcurl. */
void http_call_cancel(struct http_call *call);

/* A GET that waits for its answer, for the time before the loop runs. `header` is called for each
   header line of the answer; or NULL. Returns the status, or -1. */
int http_get_now(struct http *http, const char *path, int timeout_ms,
                 void (*header)(void *data, const char *name, const char *value), void *data,
                 struct strbuf *body, struct error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/docker/http.h"

#include <curl/curl.h>
#include <string.h>

#include <cleanroom/log.h>
#include <cleanroom/strbuf.h>

enum {
    BODY_MAX_BYTES = 16 * 1024 * 1024,
    CONNECT_TIMEOUT_MS = 10 * 1000,
};

struct http_call {
    struct http *http;
    struct http_request request;
    struct http_handlers handlers;
    void *data;
    nsec_t deadline;
    nsec_t begun;
    struct loop_timer timer; /* first to begin, then to tell that it is ready */
    CURL *easy;
    struct curl_slist *headers;
    struct strbuf body;
    bool in_loop;
    bool ready;   /* the handler was called, or there is none */
    bool refused; /* the body handler broke it off */
    char why[CURL_ERROR_SIZE];
};

void http_deinit(struct http *http)
{
    endpoint_deinit(&http->endpoint);
    free(http->prefix);
}

void http_request_deinit(struct http_request *request)
{
    free(request->path);
    free(request->body);
    free(request->auth);
    *request = (struct http_request){0};
}

static void set_tls(CURL *easy, const struct endpoint *endpoint)
{
    if (endpoint->ca)
        curl_easy_setopt(easy, CURLOPT_CAINFO, endpoint->ca);
    if (endpoint->cert && endpoint->key) {
        curl_easy_setopt(easy, CURLOPT_SSLCERT, endpoint->cert);
        curl_easy_setopt(easy, CURLOPT_SSLKEY, endpoint->key);
    }
    if (endpoint->insecure) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

void *http_easy_new(const struct http *http, const char *prefix, const char *path)
{
    const struct endpoint *endpoint = &http->endpoint;
    _cleanup_free_ char *url = xasprintf("%s%s%s", endpoint->base, prefix, path);
    CURL *easy = curl_easy_init();
    if (!easy)
        return NULL;

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "cleanroom/" VERSION);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    /* No SIGALRM in our process, and no proxy between us and the engine. */
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    if (endpoint->unix_path)
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, endpoint->unix_path);
    set_tls(easy, endpoint);
    return easy;
}

static bool succeeded(long status)
{
    return status == 101 || (status >= 200 && status < 300);
}

static long status_of(CURL *easy)
{
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static void on_ready(void *data);

/* Called from within libcurl, where neither requests may be made nor this one removed: the loop's
   timers come right after. */
static size_t on_header(char *line, size_t size, size_t count, void *data)
{
    struct http_call *call = data;
    size_t len = size * count;
    bool blank = len <= 2 && (len == 0 || line[0] == '\r' || line[0] == '\n');
    if (blank && !call->ready && call->timer.at == 0 && succeeded(status_of(call->easy)))
        loop_timer_arm(call->http->loop, &call->timer, 1, on_ready, call);
    return len;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *data)
{
    struct http_call *call = data;
    size_t len = size * count;
    bool stream = call->handlers.body && succeeded(status_of(call->easy));
    if (!stream)
        return strbuf_add(&call->body, bytes, len) < 0 ? 0 : len;
    if (!call->ready)
        return CURL_WRITEFUNC_PAUSE;
    if (call->handlers.body(call->data, bytes, len) == 0)
        return len;
    call->refused = true;
    return 0;
}

static void call_free(struct http_call *call)
{
    loop_timer_disarm(call->http->loop, &call->timer);
    if (call->in_loop)
        loop_transfer_remove(call->http->loop, call->easy);
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    strbuf_deinit(&call->body);
    http_request_deinit(&call->request);
    free(call);
}

void http_call_cancel(struct http_call *call)
{
    if (call)
        call_free(call);
}

static void call_finish(struct http_call *call, int status, const struct error *err)
{
    char took[16];
    clock_human(clock_now() - call->begun, took, sizeof(took));
    log_trace("%s %s: %d%s%s (%s)", call->request.method, call->request.path, status,
              err ? ": " : "", err ? err->message : "", took);
    struct http_answer answer = {
        .status = status,
        .body = call->body.buf,
        .body_len = call->body.len,
        .err = err,
    };
    call->handlers.done(call->data, &answer);
    call_free(call);
}

static void set_late(const struct http_call *call, struct error *err)
{
    error_set(err, ERROR_TIMEOUT, "the engine at %s did not answer in time",
              call->http->endpoint.where);
}

static void describe(const struct http_call *call, int result, struct error *err)
{
    const char *where = call->http->endpoint.where;
    const char *why = *call->why ? call->why : curl_easy_strerror((CURLcode)result);
    if (call->body.overflow)
        error_set(err, ERROR_ENGINE, "the engine at %s gave an answer of more than %d MiB", where,
                  BODY_MAX_BYTES / 1024 / 1024);
    else if (call->refused)
        error_set(err, ERROR_ENGINE, "the engine at %s sent a stream that makes no sense", where);
    else if (result == CURLE_OPERATION_TIMEDOUT && clock_now() >= call->deadline)
        set_late(call, err);
    else
        error_set(err, ERROR_ENGINE, "the engine at %s does not answer any more: %s", where, why);
}

static void end_with(struct http_call *call, int result)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    describe(call, result, &err);
    call_finish(call, 0, &err);
}

static void on_ready(void *data)
{
    struct http_call *call = data;
    call->ready = true;
    call->handlers.ready(call->data);
    /* The handler records, it does not end the call: what it wants done is done by the loop. What
       was held back is delivered from within this: */
    CURLcode result = curl_easy_pause(call->easy, CURLPAUSE_CONT);
    if (result != CURLE_OK)
        end_with(call, (int)result);
}

static void on_end(void *data, void *easy, int result)
{
    struct http_call *call = data;
    call->in_loop = false;
    /* A short answer may have ended before the loop came round to say that it was ready. */
    if (!call->ready && call->timer.at != 0) {
        loop_timer_disarm(call->http->loop, &call->timer);
        call->ready = true;
        call->handlers.ready(call->data);
    }
    if (result == CURLE_OK) {
        call_finish(call, (int)status_of(easy), NULL);
        return;
    }
    end_with(call, result);
}

static void add_header(struct http_call *call, const char *name, const char *value)
{
    if (!value)
        return;
    _cleanup_free_ char *line = xasprintf("%s: %s", name, value);
    call->headers = curl_slist_append(call->headers, line);
}

static void set_method(struct http_call *call)
{
    const struct http_request *request = &call->request;
    bool post = strcmp(request->method, "POST") == 0;
    if (post || request->body) {
        curl_easy_setopt(call->easy, CURLOPT_POST, 1L);
        curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
        curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, request->body ? request->body : "");
        /* On a kept-alive connection that just died libcurl sends again, of itself: a second
           "create" is not what we mean. */
        curl_easy_setopt(call->easy, CURLOPT_FRESH_CONNECT, 1L);
    }
    if (!post)
        curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, request->method);
    /* An empty value takes the header out: no pause for "100 Continue". */
    call->headers = curl_slist_append(call->headers, "Expect:");
    add_header(call, "Content-Type", request->type ? request->type : "application/json");
    add_header(call, "X-Registry-Auth", request->auth);
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
}

static void set_deadline(struct http_call *call)
{
    if (call->deadline == NSEC_INFINITY)
        return;
    nsec_t left = (call->deadline - clock_now()) / NSEC_PER_MSEC;
    /* Rounded up, and one more: libcurl 7.88 rounds the time passed up when a second turned
       meanwhile. When it says that it is late, it is. */
    curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, (long)(left > 0 ? left : 0) + 2);
}

static void on_begin(void *data)
{
    struct http_call *call = data;
    struct error err _cleanup_error_ = ERROR_INIT;
    if (clock_now() >= call->deadline) {
        set_late(call, &err);
        call_finish(call, 0, &err);
        return;
    }
    const char *prefix = call->request.versioned ? "" : call->http->prefix;
    call->easy = http_easy_new(call->http, prefix, call->request.path);
    if (!call->easy) {
        error_set(&err, ERROR_INTERNAL, "could not set up a transfer: is libcurl.so.4 installed?");
        call_finish(call, 0, &err);
        return;
    }

    set_method(call);
    set_deadline(call);
    curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, call->why);
    curl_easy_setopt(call->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(call->easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call);
    if (loop_transfer_add(call->http->loop, call->easy, on_end, call, &err) < 0) {
        call_finish(call, 0, &err);
        return;
    }
    call->in_loop = true;
}

struct http_call *http_call_new(struct http *http, struct http_request *request, nsec_t deadline,
                                const struct http_handlers *handlers, void *data)
{
    struct http_call *call = xcalloc(1, sizeof(*call));
    *call = (struct http_call){
        .http = http,
        .request = *request,
        .handlers = *handlers,
        .data = data,
        .deadline = deadline,
        .begun = clock_now(),
        .ready = !handlers->ready,
    };
    *request = (struct http_request){0};
    strbuf_init(&call->body, BODY_MAX_BYTES);
    loop_timer_arm(http->loop, &call->timer, 1, on_begin, call);
    return call;
}

struct header_sink {
    void (*fn)(void *data, const char *name, const char *value);
    void *data;
};

static size_t on_header_now(char *line, size_t size, size_t count, void *data)
{
    struct header_sink *sink = data;
    size_t len = size * count;
    const char *colon = memchr(line, ':', len);
    if (!colon || !sink->fn)
        return len;
    _cleanup_free_ char *name = xstrndup(line, (size_t)(colon - line));
    const char *start = colon + 1;
    while (start < line + len && *start == ' ')
        start++;
    _cleanup_free_ char *value = xstrndup(start, (size_t)(line + len - start));
    value[strcspn(value, "\r\n")] = '\0';
    sink->fn(sink->data, name, value);
    return len;
}

static size_t on_body_now(char *bytes, size_t size, size_t count, void *data)
{
    return strbuf_add(data, bytes, size * count) < 0 ? 0 : size * count;
}

int http_get_now(struct http *http, const char *path, int timeout_ms,
                 void (*header)(void *data, const char *name, const char *value), void *data,
                 struct strbuf *body, struct error *err)
{
    char why[CURL_ERROR_SIZE] = "";
    struct header_sink sink = {.fn = header, .data = data};
    CURL *easy = http_easy_new(http, http->prefix, path);
    if (!easy)
        return error_set(err, ERROR_INTERNAL,
                         "could not set up a transfer: is libcurl.so.4 installed?");
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header_now);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &sink);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body_now);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, body);

    CURLcode code = curl_easy_perform(easy);
    int status = (int)status_of(easy);
    long errnum = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &errnum);
    curl_easy_cleanup(easy);
    log_trace("GET %s%s: %d%s%s", http->endpoint.where, path, status, *why ? ": " : "", why);
    if (code == CURLE_OK)
        return status;
    return error_set(err, ERROR_ENGINE, "%s",
                     errnum ? strerror((int)errnum)
                     : *why ? why
                            : curl_easy_strerror(code));
}

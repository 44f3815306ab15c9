/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/docker/raw.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct raw {
    CURL *easy;
    int fd;
};

static int fail(const struct http *http, CURLcode code, struct error *err)
{
    return error_set(err, ERROR_ENGINE, "no connection to the engine at %s: %s",
                     http->endpoint.where, curl_easy_strerror(code));
}

static int connect_now(struct raw *raw, const struct http *http, struct error *err)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (!raw->easy)
        return error_set(err, ERROR_INTERNAL,
                         "could not set up a connection: is libcurl.so.4 installed?");
    curl_easy_setopt(raw->easy, CURLOPT_CONNECT_ONLY, 1L);
    CURLcode code = curl_easy_perform(raw->easy);
    if (code == CURLE_OK)
        code = curl_easy_getinfo(raw->easy, CURLINFO_ACTIVESOCKET, &fd);
    if (code != CURLE_OK || fd == CURL_SOCKET_BAD)
        return fail(http, code, err);
    raw->fd = fd;
    return 0;
}

/* A new connection's buffers are empty: this is no long wait. */
static int say(struct raw *raw, const char *text, size_t len)
{
    while (len) {
        ssize_t n = raw_write(raw, text, len);
        if (n < 0 && errno != EAGAIN)
            return -1;
        if (n < 0)
            (void)poll(&(struct pollfd){.fd = raw->fd, .events = POLLOUT}, 1, -1);
        text += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

struct raw *raw_open(struct http *http, const char *method, const char *path, struct error *err)
{
    struct raw *raw = xcalloc(1, sizeof(*raw));
    raw->fd = -1;
    raw->easy = http_easy_new(http, http->prefix, path);
    _cleanup_free_ char *request = xasprintf("%s %s%s HTTP/1.1\r\n"
                                             "Host: localhost\r\n"
                                             "User-Agent: cleanroom/" VERSION "\r\n"
                                             "Connection: Upgrade\r\n"
                                             "Upgrade: tcp\r\n"
                                             "Content-Length: 0\r\n\r\n",
                                             method, http->prefix, path);
    int r = connect_now(raw, http, err);
    if (r == 0 && say(raw, request, strlen(request)) < 0)
        r = error_set_errno(err, ERROR_ENGINE, errno, "the engine at %s does not listen",
                            http->endpoint.where);
    if (r == 0)
        return raw;
    raw_close(raw);
    return NULL;
}

void raw_close(struct raw *raw)
{
    if (!raw)
        return;
    if (raw->easy)
        curl_easy_cleanup(raw->easy);
    free(raw);
}

int raw_fd(const struct raw *raw)
{
    return raw->fd;
}

static ssize_t result(CURLcode code, size_t done)
{
    if (code == CURLE_OK)
        return (ssize_t)done;
    errno = code == CURLE_AGAIN ? EAGAIN : EIO;
    return -1;
}

ssize_t raw_read(struct raw *raw, void *bytes, size_t len)
{
    size_t done = 0;
    CURLcode code = curl_easy_recv(raw->easy, bytes, len, &done);
    return result(code, done);
}

ssize_t raw_write(struct raw *raw, const void *bytes, size_t len)
{
    size_t done = 0;
    CURLcode code = curl_easy_send(raw->easy, bytes, len, &done);
    return result(code, done);
}

/* TLS would have a word for it that libcurl does not say; the end of what it runs on does as well.
 */
void raw_end(struct raw *raw)
{
    (void)shutdown(raw->fd, SHUT_WR);
}

size_t raw_head(const char *bytes, size_t len, int *status, size_t *body)
{
    static const char version[] = "HTTP/1.", length[] = "\ncontent-length:";
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);
    *status = -1;
    *body = 0;
    if (!end)
        return 0;
    _cleanup_free_ char *head = xstrndup(bytes, (size_t)(end - bytes));
    const char *field = strcasestr(head, length);
    if (strncmp(head, version, sizeof(version) - 1) == 0 && strlen(head) > sizeof(version) + 3)
        *status = (int)strtol(head + sizeof(version) + 1, NULL, 10);
    if (field)
        *body = strtoul(field + sizeof(length) - 1, NULL, 10);
    return (size_t)(end - bytes) + 4;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes that belong to no protocol of ours, for services that are declared in forklift.yaml: a
 * port that takes connections, and an HTTP server that answers a path (RFC 9112, section 4).
 */
#include <stdio.h>
#include <string.h>

#include "common.h"

/* Whoever forwards connections to a server that is not there yet closes them at once: that long is
   waited for it. A server that speaks first need not be. */
#define QUIET_MS 20

#define STATUS_LINE_MAX 4096

static int tcp_request(const char *arg, struct strbuf *out)
{
    (void)out;
    return *arg ? -1 : 0;
}

static enum probe_verdict tcp_answer(const unsigned char *data, size_t len, char *why, size_t size)
{
    (void)data;
    common_reason(why, size, "", 0);
    return len ? PROBE_READY : PROBE_MORE;
}

const struct probe tcp_probe = {
    .address = POD_ADDRESS, .request = tcp_request, .answer = tcp_answer, .quiet_ms = QUIET_MS};

/* arg: "/path", or "/path STATUS". */
static int http_request(const char *arg, struct strbuf *out)
{
    size_t path = strcspn(arg, " ");
    const char *status = arg[path] ? arg + path + 1 : NULL;

    if (*arg != '/' || strpbrk(arg, "\r\n\t"))
        return -1;
    if (status && (strspn(status, "0123456789") != 3 || status[3]))
        return -1;
    return strbuf_addf(out,
                       "GET %.*s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: cleanroom\r\n"
                       "Accept: */*\r\nConnection: close\r\n\r\n",
                       (int)path, arg);
}

/* The number of "HTTP/1.1 NNN reason", or -1. */
static int status_of(const unsigned char *line, size_t len)
{
    int status = 0;

    if (len < 12 || memcmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ')
        return -1;
    for (size_t i = 9; i < 12; i++) {
        if (line[i] < '0' || line[i] > '9')
            return -1;
        status = status * 10 + (line[i] - '0');
    }
    return len == 12 || line[12] == ' ' ? status : -1;
}

static enum probe_verdict http_answer(const char *arg, const unsigned char *data, size_t len,
                                      char *why, size_t size)
{
    static const char wrong[] = "not an HTTP server";
    const char *wanted = strchr(arg, ' ');
    long line = len ? common_line(data, len) : -1;

    common_reason(why, size, "", 0);
    if (len && (!common_starts(data, len, "HTTP/1.") || (line < 0 && len > STATUS_LINE_MAX))) {
        common_reason(why, size, wrong, strlen(wrong));
        return PROBE_WRONG;
    }
    if (line < 0)
        return PROBE_MORE;

    int status = status_of(data, (size_t)line);
    common_reason(why, size, data, (size_t)line);
    if (status < 0)
        return PROBE_WRONG;
    bool good = wanted ? status == (int)strtol(wanted, NULL, 10) : status >= 200 && status < 400;
    return good ? PROBE_READY : PROBE_NOT_YET;
}

const struct probe plain_http_probe = {
    .address = POD_ADDRESS, .request = http_request, .answer_to = http_answer};

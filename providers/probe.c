/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes that belong to no protocol of ours, for services that are declared in forklift.yaml: a
 * port that takes connections, and an HTTP server that answers a path.
 */
#include <string.h>

#include "common.h"
#include "http_probe.h"

/* Whoever forwards connections to a server that is not there yet closes them at once: that long is
   waited for it. A server that speaks first need not be. */
#define QUIET_MS 20

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
    size_t len = strcspn(arg, " ");
    const char *status = arg[len] ? arg + len + 1 : NULL;
    _cleanup_free_ char *path = xstrndup(arg, len);

    if (status && (strspn(status, "0123456789") != 3 || status[3]))
        return -1;
    return http_probe_get(path, out);
}

static enum probe_verdict http_answer(const char *arg, const unsigned char *data, size_t len,
                                      char *why, size_t size)
{
    const char *wanted = strchr(arg, ' ');
    struct http_answer head;
    enum probe_verdict verdict = http_probe_head(data, len, &head, why, size);

    if (verdict != PROBE_READY)
        return verdict;
    bool good = wanted ? head.status == strtoul(wanted, NULL, 10)
                       : head.status >= 200 && head.status < 400;
    return good ? PROBE_READY : http_probe_refused(&head, why, size);
}

const struct probe plain_http_probe = {
    .address = POD_ADDRESS, .request = http_request, .answer_to = http_answer};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memcached.
 *
 * Container: github.com/docker-library/docs, memcached/README. Wire protocol:
 * github.com/memcached/memcached, doc/protocol.txt ("version" and the error strings).
 */
#include <string.h>

#include "common.h"

#define MEGABYTES 64 /* memcached's own default, for each shard */

static const struct override_def overrides[] = {
    {"host", OVERRIDE_LIST, "use the server there instead of starting one", false},
    {"hosts", OVERRIDE_LIST, "the same, several of them", false},
    {"port", OVERRIDE_PORT, "port of the server", false},
    {"key_prefix", OVERRIDE_STRING, "prefix of the app's keys (default: the application's id)",
     false},
    {"path", OVERRIDE_STRING, "path of the URL: the prefix, as '/prefix'", false},
    {"urls", OVERRIDE_LIST, "use the servers at these URLs instead of starting one", false},
};

static int plan(const struct provider *provider, const struct provider_input *in,
                struct service_plan *out, struct error *err)
{
    _cleanup_(common_endpoint_deinit) struct common_endpoint e = {0};

    if (common_begin(provider, in, out, err) < 0 ||
        common_endpoint(in, "key_prefix", out->port, &e, out, err) < 0)
        return -1;
    strvec_setenv(&out->app_env, "MEMCACHE_HOSTS", e.hosts);
    _cleanup_free_ char *prefix = common_namespace(in, e.name ? e.name : in->application_id, '_');
    strvec_setenv(&out->app_env, "MEMCACHE_PREFIX", prefix);
    if (out->external)
        return 0;

    strvec_push(&out->argv, "memcached");
    strvec_push(&out->argv, "-m");
    strvec_pushf(&out->argv, "%d", MEGABYTES * (in->shared ? in->shards : 1));
    strvec_push(&out->argv, "-p");
    strvec_pushf(&out->argv, "%u", out->port);
    out->probe_arg = xstrdup("");
    return common_finish(in, out, err);
}

static int request(const char *arg, struct strbuf *out)
{
    return *arg ? -1 : strbuf_adds(out, "version\r\n");
}

static const struct reply {
    const char *word;
    enum probe_verdict verdict;
} replies[] = {
    {"VERSION ", PROBE_READY},
    {"CLIENT_ERROR unauthenticated", PROBE_READY}, /* serves, and wants a password (-Y) */
    {"SERVER_ERROR", PROBE_NOT_YET},
    {"ERROR", PROBE_NOT_YET}, /* "ERROR Too many open connections" */
};

/* The reply that these bytes are, or may become when more arrive. */
static const struct reply *find_reply(const unsigned char *data, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
        if (common_starts(data, len, replies[i].word))
            return &replies[i];
    }
    return NULL;
}

static enum probe_verdict answer(const unsigned char *data, size_t len, char *why, size_t size)
{
    static const char wrong[] = "not the memcached protocol";

    common_reason(why, size, "", 0);
    if (len == 0)
        return PROBE_MORE;

    long line = common_line(data, len);
    const struct reply *reply = find_reply(data, len);
    bool complete = line >= 0 && reply && (size_t)line >= strlen(reply->word);
    if (!reply || (line >= 0 && !complete) || (line < 0 && len > 1024)) {
        common_reason(why, size, wrong, strlen(wrong));
        return PROBE_WRONG;
    }
    if (!complete)
        return PROBE_MORE;
    common_reason(why, size, data, (size_t)line);
    return reply->verdict;
}

/* A cache that is gone is a cache. */
static const struct recipe recipe = {.version = 1, .stateless = true};

static const struct probe probe = {.address = POD_ADDRESS, .request = request, .answer = answer};

const struct provider provider_memcache = {
    .name = "memcache",
    .alias = "memcached",
    .doc = "memcached: MEMCACHE_HOSTS, MEMCACHE_PREFIX",
    .image = "memcached:1.6",
    .port = 11211,
    .overrides = overrides,
    .override_count = ARRAY_SIZE(overrides),
    .plan = plan,
    .probe = &probe,
    .recipe = &recipe,
    .namespaces = "a prefix each",
    .countable = true,
};

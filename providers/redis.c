/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redis.
 *
 * Container: github.com/docker-library/docs, redis/README. Wire protocol: redis.io/docs, "Redis
 * serialization protocol specification" (RESP). Forklift knows one Redis server; its variable is a
 * list all the same, so 'host' and 'hosts' may name several.
 */
#include <signal.h>
#include <string.h>

#include "common.h"
#include "redis.h"

#define DEFAULT_DATABASES 16 /* redis.conf */

const struct override_def redis_overrides[REDIS_OVERRIDES] = {
    {"host", OVERRIDE_LIST, "use the server there instead of starting one", false},
    {"hosts", OVERRIDE_LIST, "the same, several of them", false},
    {"port", OVERRIDE_PORT, "port of the server", false},
    {"db_index", OVERRIDE_NUMBER, "number of the database (default 0)", false},
    {"path", OVERRIDE_STRING, "path of the URL: the number of the database, as '/1'", false},
    {"urls", OVERRIDE_LIST, "use the servers at these URLs instead of starting one", false},
};

static void set_container(struct service_plan *out, const struct provider *provider,
                          unsigned long databases)
{
    static const char *const argv[] = {"--save", "", "--appendonly", "no"};

    strvec_pushf(&out->argv, "%s-server", provider->name);
    for (size_t i = 0; i < ARRAY_SIZE(argv); i++)
        strvec_push(&out->argv, argv[i]);
    if (out->port != provider->port) {
        strvec_push(&out->argv, "--port");
        strvec_pushf(&out->argv, "%u", out->port);
    }
    if (databases > DEFAULT_DATABASES) {
        strvec_push(&out->argv, "--databases");
        strvec_pushf(&out->argv, "%lu", databases);
    }
    out->probe_arg = xstrdup("");
}

static int parse_index(const char *text, unsigned long *out, struct error *err)
{
    size_t len = strspn(text, "0123456789");

    if (len == 0 || len > 6 || text[len])
        return error_set(err, ERROR_CONFIG, "'%s' is not the number of a database", text);
    *out = strtoul(text, NULL, 10);
    return 0;
}

int redis_plan(const struct provider *provider, const struct provider_input *in,
               struct service_plan *out, struct error *err)
{
    _cleanup_(common_endpoint_deinit) struct common_endpoint e = {0};
    unsigned long db_index = 0, databases;

    if (common_begin(provider, in, out, err) < 0 ||
        common_endpoint(in, "db_index", out->port, &e, out, err) < 0)
        return -1;
    if (e.name && parse_index(e.name, &db_index, err) < 0)
        return error_wrap(err, "override 'db_index'");

    databases = db_index + (in->shared ? (unsigned long)in->shards : 1);
    if (in->shared && in->shard)
        db_index += (unsigned long)in->shard - 1;
    strvec_setenv(&out->app_env, "REDIS_HOSTS", e.hosts);
    strvec_pushf(&out->app_env, "REDIS_DB_INDEX=%lu", db_index);
    if (out->external)
        return 0;
    set_container(out, provider, databases);
    return common_finish(in, out, err);
}

static int request(const char *arg, struct strbuf *out)
{
    return *arg ? -1 : strbuf_adds(out, "*1\r\n$4\r\nPING\r\n");
}

/* An error is the answer of a server at work, unless it says that it cannot serve now. */
static enum probe_verdict judge_error(const unsigned char *text, size_t len)
{
    static const char *const serving[] = {
        "NOAUTH ", /* wants a password, which the app may have */
        "NOPERM ", /* this user may not PING */
    };

    for (size_t i = 0; i < ARRAY_SIZE(serving); i++) {
        if (len >= strlen(serving[i]) && common_starts(text, len, serving[i]))
            return PROBE_READY;
    }
    return PROBE_NOT_YET; /* LOADING, MASTERDOWN, BUSY, DENIED (protected mode), too many clients */
}

static enum probe_verdict answer(const unsigned char *data, size_t len, char *why, size_t size)
{
    static const char wrong[] = "not the Redis protocol";

    common_reason(why, size, "", 0);
    if (len == 0)
        return PROBE_MORE;

    long line = common_line(data, len);
    bool error = *data == '-';
    if ((!error && !common_starts(data, len, "+PONG\r\n")) || (line < 0 && len > 1024)) {
        common_reason(why, size, wrong, strlen(wrong));
        return PROBE_WRONG;
    }
    if (line < 0)
        return PROBE_MORE;
    if (!error)
        return PROBE_READY;
    common_reason(why, size, data + 1, (size_t)line - 1);
    return judge_error(data + 1, (size_t)line - 1);
}

/*
 * Copies: its file is kept where everybody may write and no VOLUME is. Told to save at some time,
 * it saves when it is told to end (redis.io/docs, "Redis signal handling"); a copy loads that
 * first.
 */
#define KEPT_DIRECTORY "/tmp"
#define KEPT_FILE      "cleanroom.rdb"

static int prepare(const struct service_plan *zero, const char *save, struct service_plan *out,
                   struct error *why)
{
    const char *const words[] = {"--dir",   KEPT_DIRECTORY, "--dbfilename",
                                 KEPT_FILE, "--save",       save};

    service_plan_copy(out, zero);
    const char *server = zero->argv.len ? zero->argv.items[0] : "";
    if (strcmp(server, "redis-server") != 0 && strcmp(server, "valkey-server") != 0)
        return error_set(why, ERROR_CONFIG, "its 'command' is not 'redis-server ...'");
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        strvec_push(&out->argv, words[i]);
    return 0;
}

static int first(const struct service_plan *zero, const struct recipe_image *image _unused_,
                 struct service_plan *out, struct error *why)
{
    return prepare(zero, "86400 1", out, why);
}

static int copy(const struct service_plan *zero, const struct recipe_image *image _unused_,
                struct service_plan *out, struct error *why)
{
    return prepare(zero, "", out, why);
}

const struct recipe redis_recipe = {
    .version = 1,
    .stop = SIGTERM,
    .first = first,
    .copy = copy,
};

const struct probe redis_probe = {.address = POD_ADDRESS, .request = request, .answer = answer};

const struct provider provider_redis = {
    .name = "redis",
    .doc = "Redis: REDIS_HOSTS, REDIS_DB_INDEX",
    .image = "redis:7",
    .port = 6379,
    .overrides = redis_overrides,
    .override_count = REDIS_OVERRIDES,
    .plan = redis_plan,
    .probe = &redis_probe,
    .recipe = &redis_recipe,
    .namespaces = "a database each",
    .countable = true,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NATS.
 *
 * Container: github.com/docker-library/docs, nats/README; its options: docs.nats.io, "Flags". Wire
 * protocol: docs.nats.io, "Client Protocol" (INFO, PING, PONG, -ERR).
 */
#include <signal.h>
#include <string.h>

#include "common.h"
#include "database.h"

static const struct override_def overrides[] = {
    {"host", OVERRIDE_STRING, "use the server there instead of starting one", false},
    {"port", OVERRIDE_PORT, "port of the server", false},
    {"user", OVERRIDE_STRING, "user name, for a server elsewhere", false},
    {"password", OVERRIDE_STRING, "password, for a server elsewhere", true},
    {"urls", OVERRIDE_LIST, "use the server at this URL instead of starting one", false},
};

static int plan(const struct provider *provider, const struct provider_input *in,
                struct service_plan *out, struct error *err)
{
    _cleanup_database_ struct database db = {0};
    static const struct database_kind kind = {
        .scheme = "nats", .variable = "NATS_URL", .name_key = "name", .open = true};

    if (common_begin(provider, in, out, err) < 0 || database_init(&db, &kind, in, out, err) < 0)
        return -1;
    if (out->external)
        return 0;
    /* Options alone do for both of the official images: of one the server is the entry point. They
       stand for the images' settings, which would listen for a cluster and for monitors too. */
    strvec_push(&out->argv, "--port");
    strvec_pushf(&out->argv, "%u", out->port);
    out->probe_arg = xstrdup("");
    return common_finish(in, out, err);
}

/* --- is it ready? ----------------------------------------------------------------------------- */

#define LONGEST 32768 /* INFO names every server of a cluster */

static int request(const char *arg, struct strbuf *out)
{
    return *arg ? -1 : strbuf_adds(out, "PING\r\n");
}

static enum probe_verdict is_wrong(char *why, size_t size)
{
    static const char wrong[] = "not the NATS protocol";

    common_reason(why, size, wrong, strlen(wrong));
    return PROBE_WRONG;
}

/* Does it want to know first who we are? Then it is at work, and may know the app. */
static bool wants_more(const unsigned char *info, size_t len)
{
    static const char *const wants[] = {"\"auth_required\":true", "\"tls_required\":true"};

    for (size_t i = 0; i < ARRAY_SIZE(wants); i++) {
        if (memmem(info, len, wants[i], strlen(wants[i])))
            return true;
    }
    return false;
}

/* A line that is not INFO: PONG, or an error ("maximum connections exceeded"). */
static enum probe_verdict judge_line(const unsigned char *data, size_t len, char *why, size_t size)
{
    static const char pong[] = "PONG\r\n", error[] = "-ERR ";
    long line = common_line(data, len);

    if (common_starts(data, len, pong))
        return len < strlen(pong) ? PROBE_MORE : PROBE_READY;
    if (!common_starts(data, len, error) || (line >= 0 && (size_t)line < strlen(error)) ||
        len > LONGEST)
        return is_wrong(why, size);
    if (line < 0)
        return PROBE_MORE;
    common_reason(why, size, data + strlen(error), (size_t)line - strlen(error));
    return PROBE_NOT_YET;
}

static enum probe_verdict answer(const unsigned char *data, size_t len, char *why, size_t size)
{
    static const char info[] = "INFO {";

    common_reason(why, size, "", 0);
    if (len == 0)
        return PROBE_MORE;
    if (*data == '-')
        return judge_line(data, len, why, size);
    const unsigned char *end = memchr(data, '\n', len);
    if (!common_starts(data, len, info) || (end && (size_t)(end - data) < strlen(info)) ||
        (!end && len > LONGEST))
        return is_wrong(why, size);
    if (!end)
        return PROBE_MORE;
    size_t first = (size_t)(end + 1 - data);
    if (wants_more(data, first))
        return PROBE_READY;
    return first == len ? PROBE_MORE : judge_line(end + 1, len - first, why, size);
}

/* --- copies ----------------------------------------------------------------------------------- */

/* It keeps nothing, unless it is told to ("--jetstream"), and then it is not ours to know where. */
static int keep(const struct service_plan *zero, const struct recipe_image *image _unused_,
                struct service_plan *out, struct error *why)
{
    service_plan_copy(out, zero);
    if (zero->argv.len != 2 || strcmp(zero->argv.items[0], "--port") != 0)
        return error_set(why, ERROR_CONFIG,
                         "its 'command' is not ours: it may keep what no copy "
                         "would have");
    return 0;
}

static const struct recipe recipe = {.version = 1, .stop = SIGINT, .first = keep, .copy = keep};

static const struct probe probe = {.address = POD_ADDRESS, .request = request, .answer = answer};

const struct provider provider_nats = {
    .name = "nats",
    .doc = "NATS: NATS_URL",
    .image = "nats:2",
    .port = 4222,
    .overrides = overrides,
    .override_count = ARRAY_SIZE(overrides),
    .plan = plan,
    .probe = &probe,
    .recipe = &recipe,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RabbitMQ.
 *
 * Container: github.com/docker-library/docs, rabbitmq/README; its variables: rabbitmq.com/docs,
 * "Configuration" (environment variables) and "Networking" (ports). Wire protocol: rabbitmq.com,
 * "AMQP 0-9-1 Complete Reference" and its specification's "4.2.2 Protocol Header".
 */
#include <signal.h>
#include <string.h>

#include "common.h"
#include "database.h"

#define DISTRIBUTION_PORT 25672
#define EPMD_PORT         4369
#define PROMETHEUS_PORT   15692 /* the official image has that plugin switched on */

static const struct override_def overrides[] = {
    {"host", OVERRIDE_LIST, "use the server there instead of starting one", false},
    {"hosts", OVERRIDE_LIST, "the same, several of them", false},
    {"port", OVERRIDE_PORT, "port of the server", false},
    {"user", OVERRIDE_STRING, "user name (default: the application's id)", false},
    {"password", OVERRIDE_STRING, "password (default: a random one for each shard)", true},
    {"vhost", OVERRIDE_STRING, "virtual host (default: the application's id)", false},
    {"path", OVERRIDE_STRING, "path of the URL: the virtual host, as '/name'", false},
    {"urls", OVERRIDE_LIST, "use the servers at these URLs instead of starting one", false},
};

/* Ports that are not the usual ones. More arguments for Erlang are words that no shell looks at. */
static void move_ports(struct service_plan *out, const struct provider *provider,
                       const struct provider_input *in)
{
    uint16_t distribution = common_port(in, out, DISTRIBUTION_PORT);
    uint16_t epmd = common_port(in, out, EPMD_PORT);
    uint16_t prometheus = common_port(in, out, PROMETHEUS_PORT);

    if (out->port != provider->port) {
        strvec_pushf(&out->env, "RABBITMQ_NODE_PORT=%u", out->port);
        /* Else it is the other's, plus 20000. */
        strvec_pushf(&out->env, "RABBITMQ_DIST_PORT=%u", distribution);
    }
    if (in->shift == 0)
        return;
    strvec_pushf(&out->env, "ERL_EPMD_PORT=%u", epmd);
    strvec_pushf(&out->env,
                 "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-rabbitmq_prometheus tcp_config "
                 "[{port,%u}]",
                 prometheus);
}

static void set_container(struct service_plan *out, const struct provider *provider,
                          const struct provider_input *in, const struct database *db)
{
    strvec_push(&out->argv, "rabbitmq-server");
    strvec_setenv(&out->env, "RABBITMQ_DEFAULT_USER", db->user);
    strvec_setenv(&out->env, "RABBITMQ_DEFAULT_PASS", db->password);
    strvec_setenv(&out->env, "RABBITMQ_DEFAULT_VHOST", db->first);
    /* By default the host's name, which is part of the names of its files. */
    strvec_setenv(&out->env, "RABBITMQ_NODENAME", "rabbit@localhost");
    move_ports(out, provider, in);
    out->probe_arg = xstrdup("");
}

/* A string in JSON. */
static void add_quoted(struct strbuf *out, const char *text)
{
    strbuf_addc(out, '"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < ' ')
            strbuf_addf(out, "\\u%04x", c);
        else
            strbuf_addf(out, "%s%c", c == '"' || c == '\\' ? "\\" : "", c);
    }
    strbuf_addc(out, '"');
}

/* A virtual host, in which the user may do all: one start of Erlang for both. */
static void set_namespace(struct service_plan *out, const struct database *db)
{
    static const char *const words[] = {
        "sh", "-c", "printf %s \"$0\" | rabbitmqctl --quiet import_definitions"};
    _cleanup_strbuf_ struct strbuf json = STRBUF_INIT;

    strbuf_adds(&json, "{\"vhosts\":[{\"name\":");
    add_quoted(&json, db->name);
    strbuf_adds(&json, "}],\"permissions\":[{\"user\":");
    add_quoted(&json, db->user);
    strbuf_adds(&json, ",\"vhost\":");
    add_quoted(&json, db->name);
    strbuf_adds(&json, ",\"configure\":\".*\",\"write\":\".*\",\"read\":\".*\"}]}");
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        strvec_push(&out->namespace_words, words[i]);
    strvec_push(&out->namespace_words, json.buf);
}

static int plan(const struct provider *provider, const struct provider_input *in,
                struct service_plan *out, struct error *err)
{
    _cleanup_database_ struct database db = {0};
    const struct database_kind kind = {.scheme = "amqp",
                                       .variable = "AMQP_URLS",
                                       .id = *in->application_id ? in->application_id : "app",
                                       .name_key = "vhost",
                                       .several = true};

    if (common_begin(provider, in, out, err) < 0 || database_init(&db, &kind, in, out, err) < 0)
        return -1;
    if (out->external)
        return 0;
    set_container(out, provider, in, &db);
    if (in->shared && in->shard)
        set_namespace(out, &db);
    return common_finish(in, out, err);
}

/* --- is it ready? ----------------------------------------------------------------------------- */

#define FRAME_HEADER 7 /* type, channel (2), size (4) */
#define FRAME_END    0xce
#define LONGEST      60000

static int request(const char *arg, struct strbuf *out)
{
    return *arg ? -1 : strbuf_add(out, "AMQP\0\0\x09\x01", 8);
}

static size_t get_u32(const unsigned char *p)
{
    return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

/* Connection.Start, the first of a server that lets clients in: its users and virtual hosts are
   there before it listens. */
static enum probe_verdict judge_frame(const unsigned char *data, size_t len)
{
    static const unsigned char begin[] = {1, 0, 0}, start[] = {0, 10, 0, 10};

    if (memcmp(data, begin, len < sizeof(begin) ? len : sizeof(begin)) != 0)
        return PROBE_WRONG;
    if (len < FRAME_HEADER)
        return PROBE_MORE;
    size_t size = get_u32(data + 3);
    size_t body = len - FRAME_HEADER;
    if (size < sizeof(start) || size > LONGEST ||
        memcmp(data + FRAME_HEADER, start, body < sizeof(start) ? body : sizeof(start)) != 0)
        return PROBE_WRONG;
    if (body <= size)
        return PROBE_MORE;
    return data[FRAME_HEADER + size] == FRAME_END ? PROBE_READY : PROBE_WRONG;
}

static enum probe_verdict answer(const unsigned char *data, size_t len, char *why, size_t size)
{
    static const char wrong[] = "not the AMQP protocol";
    static const char other[] = "it speaks another version of AMQP, not 0-9-1";

    common_reason(why, size, "", 0);
    if (len == 0)
        return PROBE_MORE;
    /* A server that does not know the version answers with the header that it wants, and hangs up.
     */
    if (*data == 'A' && common_starts(data, len, "AMQP")) {
        if (len < 8)
            return PROBE_MORE;
        common_reason(why, size, other, strlen(other));
        return PROBE_WRONG;
    }
    enum probe_verdict verdict = judge_frame(data, len);
    if (verdict == PROBE_WRONG)
        common_reason(why, size, wrong, strlen(wrong));
    return verdict;
}

/* --- copies ----------------------------------------------------------------------------------- */

/*
 * Its files are kept where everybody may write and no VOLUME is. A copy loads "definitions", by
 * which it knows its own password before it listens. What it takes to start is Erlang's, with
 * files or without: only for what the app's deploy put into it is a copy worth anything.
 */
#define KEPT_DIRECTORY "/tmp/cleanroom-rabbitmq"
#define DEFINITIONS    "/tmp/cleanroom.json"
#define ERLANG_ARGS    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"

static int first(const struct service_plan *zero, const struct recipe_image *image _unused_,
                 struct service_plan *out, struct error *why)
{
    static const char *const moved[] = {"RABBITMQ_MNESIA_BASE", "RABBITMQ_MNESIA_DIR"};

    service_plan_copy(out, zero);
    for (size_t i = 0; i < ARRAY_SIZE(moved); i++) {
        if (strvec_getenv(&zero->env, moved[i]))
            return error_set(why, ERROR_CONFIG, "its 'environment' sets %s", moved[i]);
    }
    if (zero->argv.len != 1 || strcmp(zero->argv.items[0], "rabbitmq-server") != 0)
        return error_set(why, ERROR_CONFIG, "its 'command' is not 'rabbitmq-server'");
    strvec_setenv(&out->env, "RABBITMQ_MNESIA_BASE", KEPT_DIRECTORY);
    return 0;
}

static int copy(const struct service_plan *zero, const struct recipe_image *image,
                struct service_plan *out, struct error *why)
{
    const char *user = strvec_getenv(&zero->env, "RABBITMQ_DEFAULT_USER");

    if (first(zero, image, out, why) < 0)
        return -1;
    if (!zero->password || !user)
        return 0;
    _cleanup_strbuf_ struct strbuf json = STRBUF_INIT;
    strbuf_adds(&json, "{\"users\":[{\"name\":");
    add_quoted(&json, user);
    strbuf_adds(&json, ",\"password\":");
    add_quoted(&json, zero->password);
    strbuf_adds(&json, ",\"tags\":\"administrator\"}]}");

    const char *args = strvec_getenv(&zero->env, ERLANG_ARGS);
    _cleanup_free_ char *more = xasprintf("%s%s-rabbit load_definitions \"" DEFINITIONS "\"",
                                          args ? args : "", args ? " " : "");
    strvec_setenv(&out->env, ERLANG_ARGS, more);
    strvec_push(&out->files, DEFINITIONS);
    strvec_push(&out->files, json.buf);
    return 0;
}

static const struct recipe recipe = {
    .version = 1,
    .stop = SIGTERM,
    .first = first,
    .copy = copy,
};

static const struct probe probe = {.address = POD_ADDRESS, .request = request, .answer = answer};

const struct provider provider_amqp = {
    .name = "amqp",
    .alias = "rabbitmq",
    .doc = "RabbitMQ: AMQP_URLS",
    .image = "rabbitmq:4",
    .port = 5672,
    .overrides = overrides,
    .override_count = ARRAY_SIZE(overrides),
    .plan = plan,
    .probe = &probe,
    .recipe = &recipe,
    .namespaces = "a virtual host each",
    .countable = true,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Amazon S3, by MinIO.
 *
 * Container: min.io/docs, "Deploy MinIO: Single-Node Single-Drive" (container) and "Core
 * configuration"; its docker-entrypoint.sh in github.com/minio/minio. Probe: min.io/docs,
 * "Healthcheck API", and cmd/healthcheck-handler.go there. The app: docs.aws.amazon.com/sdkref,
 * "Environment variables" and "Service-specific endpoints". Bucket names: docs.aws.amazon.com,
 * "General purpose bucket naming rules". Not run against a real server here: tested against these.
 */
#include <string.h>

#include "common.h"
#include "http_probe.h"
#include "url.h"

#define CONSOLE_PORT 9001
#define ACCESS_KEY   "cleanroom"

static const struct override_def overrides[] = {
    {"host", OVERRIDE_STRING, "use the server there instead of starting one", false},
    {"port", OVERRIDE_PORT, "port of the server", false},
    {"access_key", OVERRIDE_STRING, "access key (default: " ACCESS_KEY ")", false},
    {"secret_key", OVERRIDE_STRING, "secret key (default: a random one for each shard)", true},
    {"region", OVERRIDE_STRING, "region (default: us-east-1)", false},
    {"bucket", OVERRIDE_STRING, "bucket, there from the start (default: the application's id)",
     false},
    {"urls", OVERRIDE_LIST, "use the server at this URL instead of starting one", false},
};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* The application's id as the name of a bucket: 3 to 63 of a-z, 0-9 and '-', none of these at its
   ends. (Dots are allowed too, but not everywhere.) */
static char *bucket_name(const char *id, size_t longest)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

    for (const char *p = id; *p && out.len < longest; p++) {
        char c = *p >= 'A' && *p <= 'Z' ? (char)(*p | 0x20) : *p;
        if (is_letter(c) || out.len > 0)
            strbuf_addc(&out, is_letter(c) ? c : '-');
    }
    while (out.len > 0 && out.buf[out.len - 1] == '-')
        strbuf_truncate(&out, out.len - 1);
    if (out.len >= 3 && strncmp(out.buf, "xn--", 4) != 0)
        return strbuf_detach(&out);
    return xasprintf("app%s%.*s", out.len ? "-" : "", (int)longest - 5, out.buf);
}

/* It becomes a directory, so of a bucket that is to be made nothing else is taken. */
static int check_bucket(const char *name, struct error *err)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.");

    if (name[len] || len < 3 || len > 63 || !is_letter(name[0]) || !is_letter(name[len - 1]) ||
        strstr(name, ".."))
        return error_set(err, ERROR_CONFIG,
                         "override 'bucket': '%s' is not a bucket's name: 3 to 63 of a-z, 0-9, '-' "
                         "and '.' are, that begin and end with a letter or a digit",
                         name);
    return 0;
}

/* The endpoint, without keys: overrides, the URL's, or this shard's own server. */
static int find_endpoint(const struct provider_input *in, struct service_plan *out, struct url *u,
                         struct error *err)
{
    _cleanup_strvec_ struct strvec urls = STRVEC_INIT;
    const char *value = provider_input_get(in, "urls", NULL);
    const char *host = provider_input_get(in, "host", NULL);
    uint16_t host_port = 0;

    _cleanup_free_ char *ours = xasprintf("http://%s", common_address(in));

    strvec_split(&urls, value ? value : ours, "|");
    if (urls.len != 1)
        return error_set(err, ERROR_CONFIG,
                         "override 'urls' needs one URL, and has %zu: S3_ENDPOINT_URL holds one",
                         urls.len);
    if (url_parse(u, urls.items[0], err) < 0)
        return error_wrap(err, "override 'urls'");
    if (host) {
        free(TAKE_PTR(u->host));
        if (url_host_port(host, &u->host, &host_port, err) < 0)
            return error_wrap(err, "override 'host'");
    }
    if (!*u->host)
        return error_set(err, ERROR_CONFIG, "override 'urls': a URL has no host");
    if (host_port)
        u->port = host_port;
    else if (provider_input_get(in, "port", NULL) || !value)
        u->port = out->port;
    return 0; /* a URL without a port has its scheme's: https://s3.amazonaws.com */
}

struct keys {
    char *access, *secret; /* NULL: the app knows its own */
};

static void keys_deinit(struct keys *k)
{
    free(k->access);
    free(k->secret);
}

/* Precedence: the override, what the URL has (and loses), for our own server the defaults. */
static void find_keys(struct keys *k, const struct provider_input *in, bool external, struct url *u)
{
    k->access = u->user ? url_unquote(u->user) : NULL;
    k->secret = u->password ? url_unquote(u->password) : NULL;
    free(TAKE_PTR(u->user));
    free(TAKE_PTR(u->password));

    const char *access = provider_input_get(in, "access_key", external ? NULL : ACCESS_KEY);
    const char *secret = provider_input_get(in, "secret_key", external ? NULL : in->secret);
    if (access)
        replace_str(&k->access, access);
    if (secret)
        replace_str(&k->secret, secret);
}

/* MinIO does not start otherwise. */
static int check_keys(const struct keys *k, struct error *err)
{
    if (!k->access || strlen(k->access) < 3)
        return error_set(err, ERROR_CONFIG, "override 'access_key' needs at least 3 characters");
    if (!k->secret || strlen(k->secret) < 8)
        return error_set(err, ERROR_CONFIG, "override 'secret_key' needs at least 8 characters");
    return 0;
}

/* A directory at the top of its data is a bucket; a shared one has those of all shards. Whatever
   the command is, it is run as the image would have run it. */
static void set_container(const struct provider_input *in, const struct keys *k, const char *bucket,
                          struct service_plan *out)
{
    static const char script[] =
        "while [ \"$1\" != -- ]; do mkdir -p \"/data/$1\" && shift || exit; done; shift; "
        "exec /usr/bin/docker-entrypoint.sh \"$@\"";
    const char *const entrypoint[] = {"/bin/sh", "-c", script, "minio"};
    struct provider_input one = *in;

    for (size_t i = 0; i < ARRAY_SIZE(entrypoint); i++)
        strvec_push(&out->entrypoint, entrypoint[i]);
    for (one.shard = 1; one.shard <= (in->shared ? in->shards : 1); one.shard++)
        strvec_take(&out->entrypoint, common_namespace(&one, bucket, '-'));
    strvec_push(&out->entrypoint, "--");
    strvec_split(&out->argv, "server /data --address", " ");
    strvec_pushf(&out->argv, ":%u", out->port);
    strvec_push(&out->argv, "--console-address");
    strvec_pushf(&out->argv, ":%u", common_port(in, out, CONSOLE_PORT));
    strvec_setenv(&out->env, "MINIO_ROOT_USER", k->access);
    strvec_setenv(&out->env, "MINIO_ROOT_PASSWORD", k->secret);
    out->probe_arg = xstrdup("");
}

/* S3_ENDPOINT_URL is what apps are used to, AWS_ENDPOINT_URL_S3 what the SDKs read themselves. */
static void set_app_env(const struct provider_input *in, const struct keys *k, const char *endpoint,
                        const char *bucket, struct service_plan *out)
{
    const char *region = provider_input_get(in, "region", out->external ? NULL : "us-east-1");
    const struct {
        const char *name, *value;
    } env[] = {
        {"S3_ENDPOINT_URL", endpoint},
        {"AWS_ENDPOINT_URL_S3", endpoint},
        {"AWS_ACCESS_KEY_ID", k->access},
        {"AWS_SECRET_ACCESS_KEY", k->secret},
        {"AWS_REGION", region},
        {"AWS_DEFAULT_REGION", region},
        {"S3_BUCKET", bucket},
    };

    for (size_t i = 0; i < ARRAY_SIZE(env); i++) {
        if (env[i].value)
            strvec_setenv(&out->app_env, env[i].name, env[i].value);
    }
}

static int plan(const struct provider *provider, const struct provider_input *in,
                struct service_plan *out, struct error *err)
{
    _cleanup_url_ struct url u = {0};
    _cleanup_(keys_deinit) struct keys keys = {0};
    _cleanup_free_ char *usual = bucket_name(in->application_id, 63 - common_namespace_room(in));
    const char *first = provider_input_get(in, "bucket", usual);
    _cleanup_free_ char *bucket = common_namespace(in, first, '-');

    if (common_begin(provider, in, out, err) < 0 || find_endpoint(in, out, &u, err) < 0)
        return -1;
    find_keys(&keys, in, out->external, &u);
    if (!out->external && (check_keys(&keys, err) < 0 || check_bucket(bucket, err) < 0))
        return -1;

    _cleanup_free_ char *endpoint = url_format(&u);
    set_app_env(in, &keys, endpoint, bucket, out);
    if (keys.secret) {
        _cleanup_free_ char *quoted = url_quote(keys.secret);
        common_secret(out, keys.secret, quoted);
        if (strcmp(keys.secret, in->secret) == 0)
            out->password = xstrdup(keys.secret);
    }
    if (out->external)
        return 0;
    set_container(in, &keys, first, out);
    return common_finish(in, out, err);
}

/*
 * Not /minio/health/ready: that says 200 before anything has been initialised (only a field of its
 * head, X-Minio-Server-Status, tells), so that orchestrators leave it alone. This one says 503
 * until buckets and accounts have been read and something can be written.
 */
static int request(const char *arg, struct strbuf *out)
{
    return *arg ? -1 : http_probe_get("/minio/health/cluster", out);
}

static enum probe_verdict answer(const unsigned char *data, size_t len, char *why, size_t size)
{
    struct http_answer head;
    enum probe_verdict verdict = http_probe_head(data, len, &head, why, size);

    if (verdict != PROBE_READY || head.status == 200)
        return verdict;
    return http_probe_refused(&head, why, size);
}

static const struct probe probe = {.address = POD_ADDRESS, .request = request, .answer = answer};

const struct provider provider_s3 = {
    .name = "s3",
    .alias = "minio",
    .doc = "S3 by MinIO: S3_ENDPOINT_URL, S3_BUCKET, AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID, "
           "AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_DEFAULT_REGION",
    .image = "minio/minio:RELEASE.2025-04-22T22-12-26Z",
    .port = 9000,
    .overrides = overrides,
    .override_count = ARRAY_SIZE(overrides),
    .plan = plan,
    .probe = &probe,
    .namespaces = "a bucket each",
    .by_the_book = true,
};

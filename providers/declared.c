/* SPDX-License-Identifier: Apache-2.0 */
/* Services declared in forklift.yaml: from their data and placeholders to a plan. */
#include <cleanroom/declaration.h>

#include <assert.h>
#include <string.h>

#include "common.h"
#include "url.h"

static const struct override_def overrides[] = {
    {"host", OVERRIDE_STRING, "use the server there instead of starting one", false},
    {"port", OVERRIDE_PORT, "port of the server", false},
    {"password", OVERRIDE_STRING, "password (default: a random one for each shard)", true},
    {"user", OVERRIDE_STRING, "user of its container instead of the image's", false},
};

/* The ports last: a declaration has those of as many as it has. */
static const char *const placeholders[] = {
    "host",  "password", "shard", "shards", "application_id", "name",  "port", "port2",
    "port3", "port4",    "port5", "port6",  "port7",          "port8", NULL,
};
#define FIRST_PORT 6
static_assert(ARRAY_SIZE(placeholders) == FIRST_PORT + SERVICE_PORTS + 1, "one for each port");

/* What the placeholders stand for, and which of the ports and secrets anybody wanted. */
struct values {
    const struct declaration *declaration;
    const struct provider_input *in;
    const char *host, *password;
    uint16_t ports[SERVICE_PORTS];
    bool port_used[SERVICE_PORTS], password_used;
};

size_t declaration_ports(const struct declaration *d)
{
    size_t count = 0;

    while (count < SERVICE_PORTS && d->ports[count])
        count++;
    return count;
}

const char *const *declaration_placeholders(void)
{
    return placeholders;
}

/* The index of a placeholder that this declaration has, or -1. */
static int find_placeholder(const struct declaration *d, const char *name, size_t len)
{
    int count = FIRST_PORT + (int)declaration_ports(d);

    for (int i = 0; i < count; i++) {
        if (strlen(placeholders[i]) == len && memcmp(placeholders[i], name, len) == 0)
            return i;
    }
    return -1;
}

static void add_value(struct values *v, int which, struct strbuf *out)
{
    const struct provider_input *in = v->in;

    if (which >= FIRST_PORT) {
        v->port_used[which - FIRST_PORT] = true;
        strbuf_addf(out, "%u", v->ports[which - FIRST_PORT]);
        return;
    }
    const int numbers[] = {[2] = in->shard, [3] = in->shards};
    const char *const texts[FIRST_PORT] = {v->host, v->password,        NULL,
                                           NULL,    in->application_id, v->declaration->name};
    v->password_used = v->password_used || which == 1;
    if (texts[which])
        strbuf_adds(out, texts[which]);
    else
        strbuf_addf(out, "%d", numbers[which]);
}

/* Steps over the placeholder, escaped dollar or stretch of plain text at *p, and writes what it
   stands for. v: NULL when it is only to be checked. Returns -1 for a placeholder that is none. */
static int expand_next(const struct declaration *d, struct values *v, const char **p,
                       struct strbuf *out)
{
    const char *at = *p;

    if (*at != '$' || (at[1] != '$' && at[1] != '{')) {
        size_t len = 1 + strcspn(at + 1, "$");
        *p += len;
        return strbuf_add(out, at, len);
    }
    if (at[1] == '$') {
        *p += 2;
        return strbuf_addc(out, '$');
    }
    const char *end = strchr(at, '}');
    int which = end ? find_placeholder(d, at + 2, (size_t)(end - at - 2)) : -1;
    if (which < 0)
        return -1;
    *p = end + 1;
    if (v)
        add_value(v, which, out);
    return 0;
}

int declaration_check(const struct declaration *d, const char *text, char **unknown)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

    for (const char *p = text; *p;) {
        if (expand_next(d, NULL, &p, &out) == 0)
            continue;
        const char *end = strchr(p, '}');
        *unknown = end ? xstrndup(p + 2, (size_t)(end - p - 2)) : NULL;
        return -1;
    }
    return 0;
}

/* Texts that nobody could check before: flags are, but a provider trusts nobody. */
static int expand(struct values *v, const char *text, struct strbuf *out, struct error *err)
{
    for (const char *p = text; *p;) {
        if (expand_next(v->declaration, v, &p, out) < 0)
            return error_set(err, ERROR_CONFIG, "'%s' has a placeholder that is none", text);
    }
    return 0;
}

static int expand_text(struct values *v, const char *text, char **out, struct error *err)
{
    _cleanup_strbuf_ struct strbuf expanded = STRBUF_INIT;

    if (expand(v, text, &expanded, err) < 0)
        return -1;
    free(*out);
    *out = strbuf_detach(&expanded);
    return 0;
}

static int expand_all(struct values *v, const struct strvec *texts, struct strvec *out,
                      struct error *err)
{
    for (size_t i = 0; i < texts->len; i++) {
        char *text = NULL;
        if (expand_text(v, texts->items[i], &text, err) < 0)
            return -1;
        strvec_take(out, text);
    }
    return 0;
}

static int set_words(struct values *v, struct service_plan *out, struct error *err)
{
    const char *command = provider_input_get(v->in, "command", NULL);
    _cleanup_strvec_ struct strvec words = STRVEC_INIT;

    if (expand_all(v, &v->declaration->entrypoint, &out->entrypoint, err) < 0)
        return error_wrap(err, "'entrypoint'");
    if (!command)
        return 0;
    /* Split first: what a placeholder stands for is never two words. */
    if (provider_split_words(&words, command, err) < 0 ||
        expand_all(v, &words, &out->argv, err) < 0)
        return error_wrap(err, "override 'command'");
    return 0;
}

static int set_environment(struct values *v, struct service_plan *out, struct error *err)
{
    _cleanup_strvec_ struct strvec lines = STRVEC_INIT;

    strvec_split(&lines, provider_input_get(v->in, "environment", ""), "\n");
    if (expand_all(v, &lines, &out->env, err) < 0)
        return error_wrap(err, "override 'environment'");
    return 0;
}

static int set_ready(struct values *v, struct service_plan *out, struct error *err)
{
    const struct declaration *d = v->declaration;

    out->probe_arg = xstrdup(d->ready == DECLARATION_HTTP ? d->ready_arg : "");
    if (d->ready == DECLARATION_LOG && expand_text(v, d->ready_arg, &out->log_text, err) < 0)
        return -1;
    return expand_all(v, &d->ready_words, &out->exec_words, err);
}

static int set_container(struct values *v, struct service_plan *out, struct error *err)
{
    const char *user = provider_input_get(v->in, "user", NULL);

    if (set_words(v, out, err) < 0 || set_environment(v, out, err) < 0 ||
        expand_all(v, &v->declaration->files, &out->files, err) < 0 || set_ready(v, out, err) < 0)
        return -1;
    strvec_append(&out->tmpfs, &v->declaration->tmpfs);
    out->user = xstrdup(user);
    return 0;
}

/* Does it listen wherever we tell it? Then each port stands somewhere in what it is given. */
static bool is_movable(const struct values *v)
{
    for (size_t i = 0; i < declaration_ports(v->declaration); i++) {
        if (!v->port_used[i])
            return false;
    }
    return !provider_input_get(v->in, "port", NULL);
}

static void set_ports(struct values *v, const struct provider_input *in, struct service_plan *out)
{
    if (!v->declaration->ports[0])
        out->port = 0;
    v->ports[0] = out->port;
    for (size_t i = 1; i < declaration_ports(v->declaration); i++)
        v->ports[i] = common_port(in, out, v->declaration->ports[i]);
}

static int plan_app(struct values *v, struct service_plan *out, struct error *err)
{
    bool own = provider_input_get(v->in, "password", NULL);

    if (expand_all(v, &v->declaration->app_env, &out->app_env, err) < 0)
        return error_wrap(err, "'app_environment'");
    if (out->external && v->password_used && !own)
        return error_set(err, ERROR_CONFIG,
                         "the server at '%s' has a password of its own; say which, as override "
                         "'password'",
                         v->host);
    if (v->password_used) {
        _cleanup_free_ char *quoted = url_quote(v->password);
        common_secret(out, v->password, quoted);
    }
    return 0;
}

/* *movable: whether another shift would have made a difference. */
static int plan_at(const struct declaration *d, const struct provider_input *in,
                   struct service_plan *out, bool *movable, struct error *err)
{
    struct values v = {.declaration = d,
                       .in = in,
                       .host = provider_input_get(in, "host", common_address(in)),
                       .password = provider_input_get(in, "password", in->secret)};

    if (common_begin(&d->provider, in, out, err) < 0)
        return -1;
    set_ports(&v, in, out);
    if (!out->external && set_container(&v, out, err) < 0)
        return -1;
    *movable = is_movable(&v);
    return plan_app(&v, out, err);
}

static bool fits(const struct declaration *d, uint16_t shift)
{
    for (size_t i = 0; i < declaration_ports(d); i++) {
        if (d->ports[i] > UINT16_MAX - shift)
            return false;
    }
    return true;
}

static int plan(const struct provider *provider, const struct provider_input *in,
                struct service_plan *out, struct error *err)
{
    const struct declaration *d = container_of(provider, struct declaration, provider);
    struct provider_input still = *in;
    bool movable;

    if (fits(d, in->shift)) {
        if (plan_at(d, in, out, &movable, err) < 0)
            return -1;
        if (in->shift == 0 || movable || out->external)
            return 0;
        service_plan_deinit(out);
    }
    still.shift = 0;
    return plan_at(d, &still, out, &movable, err);
}

struct declaration *declaration_new(const char *name, const char *image)
{
    struct declaration *d = xcalloc(1, sizeof(*d));

    d->name = xstrdup(name);
    d->image = xstrdup(image);
    d->provider = (struct provider){.name = d->name,
                                    .doc = "declared in forklift.yaml",
                                    .image = d->image,
                                    .overrides = overrides,
                                    .override_count = ARRAY_SIZE(overrides),
                                    .plan = plan};
    return d;
}

void declaration_finish(struct declaration *d)
{
    bool http = d->ready == DECLARATION_HTTP;

    d->provider.port = d->ports[0];
    d->provider.probe = http ? &plain_http_probe : &tcp_probe;
    d->provider.probe_name = http ? "http" : "tcp";
}

void declaration_free(struct declaration *d)
{
    if (!d)
        return;
    free(d->name);
    free(d->image);
    free(d->ready_arg);
    strvec_deinit(&d->entrypoint);
    strvec_deinit(&d->tmpfs);
    strvec_deinit(&d->files);
    strvec_deinit(&d->app_env);
    strvec_deinit(&d->ready_words);
    free(d);
}

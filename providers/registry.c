/* SPDX-License-Identifier: Apache-2.0 */
/* The list of all providers and the look-ups in it. Adding a service: a file and a line here. */
#include <string.h>

#include <cleanroom/provider.h>

#include "common.h"

/* clang-format off */
const struct provider *const providers[] = {
    &provider_postgres,
    &provider_postgis,
    &provider_redis,
    &provider_memcache,
    &provider_email,
    &provider_syslog,
    &provider_proxy,
    &provider_elasticsearch,
    &provider_opensearch,
    &provider_mongodb,
    &provider_s3,
    &provider_kafka,
    &provider_amqp,
    &provider_mysql,
    &provider_mariadb,
    &provider_valkey,
    &provider_mosquitto,
    &provider_nats,
};
/* clang-format on */
const size_t provider_count = ARRAY_SIZE(providers);

const char *const sink_words[] = {
    [SINK_NONE] = "none",
    [SINK_SMTP] = "smtp",
    [SINK_SYSLOG_UDP] = "syslog-udp",
    [SINK_SYSLOG_TCP] = "syslog-tcp",
    [SINK_PROXY] = "proxy",
};

char *sink_file(enum sink_kind kind, const char *name)
{
    if (kind != SINK_SMTP)
        return xasprintf("%s.log", name);
    bool usual = strcmp(name, provider_email.name) == 0;
    return xasprintf("mail%s%s/", usual ? "" : "-", usual ? "" : name);
}

const struct override_def provider_common_overrides[] = {
    {"image", OVERRIDE_STRING, "image to start instead of the default one", false},
    {"environment", OVERRIDE_ENV, "further environment of the service's container", false},
    {"command", OVERRIDE_WORDS, "words to run instead of the default command", false},
    {"memory", OVERRIDE_STRING, "memory limit of the service's container, as 512m", false},
    {"tmpfs", OVERRIDE_STRING, "'no' keeps what the image has below its VOLUMEs", false},
    {"snapshot", OVERRIDE_STRING, "'no' initialises it anew in each shard", false},
    {"count", OVERRIDE_COUNT, "so many of it, of those that the app can be told a list of", false},
    {"isolation", OVERRIDE_ISOLATION, "'namespace': one for all shards, and in it a namespace each",
     false},
};
const size_t provider_common_override_count = ARRAY_SIZE(provider_common_overrides);

const struct provider *provider_find(const char *name)
{
    for (size_t i = 0; i < provider_count; i++) {
        const struct provider *p = providers[i];
        if (strcmp(p->name, name) == 0 || (p->alias && strcmp(p->alias, name) == 0))
            return p;
    }
    return NULL;
}

const struct probe *probe_find(const char *name)
{
    static const struct {
        const char *name;
        const struct probe *probe;
    } plain[] = {{"tcp", &tcp_probe}, {"http", &plain_http_probe}};

    for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
        if (strcmp(plain[i].name, name) == 0)
            return plain[i].probe;
    }
    const struct provider *provider = provider_find(name);
    return provider ? provider->probe : NULL;
}

static const struct override_def *find_key(const struct override_def *defs, size_t count,
                                           const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(defs[i].key, key) == 0)
            return &defs[i];
    }
    return NULL;
}

const struct override_def *provider_override(const struct provider *provider, const char *key)
{
    const struct override_def *own = find_key(provider->overrides, provider->override_count, key);

    if (own)
        return own;
    return find_key(provider_common_overrides, provider_common_override_count, key);
}

const char *provider_input_get(const struct provider_input *in, const char *key,
                               const char *fallback)
{
    for (size_t i = 0; i < in->override_count; i++) {
        if (strcmp(in->overrides[i].key, key) == 0)
            return in->overrides[i].value;
    }
    return fallback;
}

void service_plan_deinit(struct service_plan *plan)
{
    free(plan->image);
    free(plan->user);
    free(plan->probe_arg);
    free(plan->password);
    free(plan->log_text);
    strvec_deinit(&plan->entrypoint);
    strvec_deinit(&plan->argv);
    strvec_deinit(&plan->env);
    strvec_deinit(&plan->tmpfs);
    strvec_deinit(&plan->files);
    strvec_deinit(&plan->exec_words);
    strvec_deinit(&plan->namespace_words);
    strvec_deinit(&plan->app_env);
    strvec_deinit(&plan->secrets);
    *plan = (struct service_plan){0};
}

static struct strvec copy_strings(const struct strvec *from)
{
    struct strvec to = STRVEC_INIT;
    strvec_append(&to, from);
    return to;
}

void service_plan_copy(struct service_plan *to, const struct service_plan *from)
{
    *to = *from;
    to->image = xstrdup(from->image);
    to->user = xstrdup(from->user);
    to->probe_arg = xstrdup(from->probe_arg);
    to->password = xstrdup(from->password);
    to->log_text = xstrdup(from->log_text);
    to->entrypoint = copy_strings(&from->entrypoint);
    to->argv = copy_strings(&from->argv);
    to->env = copy_strings(&from->env);
    to->tmpfs = copy_strings(&from->tmpfs);
    to->files = copy_strings(&from->files);
    to->exec_words = copy_strings(&from->exec_words);
    to->namespace_words = copy_strings(&from->namespace_words);
    to->app_env = copy_strings(&from->app_env);
    to->secrets = copy_strings(&from->secrets);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cleanroom plan`: the plan as a table of names, values and where each value comes from.
 *
 * Shards differ in little, so the first one stands for all and the rest is told by its differences.
 */
#include <string.h>

#include "config/mask.h"
#include "config/plan.h"
#include "config/shardvars.h"
#include "config/words.h"

#define VALUE_COLUMN_MAX 44 /* longer values push their source to the right */

struct row {
    int indent;
    char *name;
    char *value; /* NULL: a heading */
    char *source;
};

struct table {
    const struct plan *plan;
    VEC(struct row) rows;
};

char *plan_mask(const struct plan *plan, const char *text)
{
    return mask_text(&plan->secrets, text);
}

static void table_deinit(struct table *t)
{
    for (size_t i = 0; i < t->rows.len; i++) {
        free(t->rows.items[i].name);
        free(t->rows.items[i].value);
        free(t->rows.items[i].source);
    }
    vec_deinit(&t->rows);
}

/* One line, whatever the value holds. */
static char *escape(const char *text)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '\n')
            strbuf_adds(&out, "\\n");
        else if (c < ' ' || c == 0x7f)
            strbuf_addf(&out, "\\x%02x", c);
        else
            strbuf_addc(&out, (char)c);
    }
    return strbuf_detach(&out);
}

static void add(struct table *t, int indent, const char *name, const char *value,
                const char *source)
{
    struct row *row = vec_push(&t->rows);
    _cleanup_free_ char *masked = value ? plan_mask(t->plan, value) : NULL;

    row->indent = indent;
    row->name = xstrdup(name);
    row->value = masked ? escape(masked) : NULL;
    row->source = xstrdup(source ? source : "");
}

static void _printf_(5, 6)
    addf(struct table *t, int indent, const char *name, const char *source, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    _cleanup_free_ char *value = xvasprintf(fmt, ap);
    va_end(ap);
    add(t, indent, name, value, source);
}

static void add_words(struct table *t, int indent, const char *name, const struct strvec *words,
                      const char *source)
{
    _cleanup_free_ char *text = words_join(words);

    add(t, indent, name, words->len ? text : "as the image says", source);
}

static void add_run(struct table *t)
{
    const struct plan *plan = t->plan;
    const struct settings *s = plan->settings;

    add(t, 0, "run", plan->run_id, NULL);
    if (plan->program)
        add(t, 1, "program", plan->program, s->image.source);
    else
        add(t, 1, "image", s->image.value, s->image.source);
    add(t, 1, "application_id", s->application_id.value, s->application_id.source);
    add_words(t, 1, "test", &plan->test_argv, NULL);
    if (plan->slice.total > 1)
        addf(t, 1, "slice", plan->slice.ci, "%d of %d: shards %d..%d", plan->slice.index + 1,
             plan->slice.total, plan->first_shard + 1, plan->first_shard + plan->shard_count);
    if (plan->deploy)
        add_words(t, 1, "deploy", &plan->deploy_argv, NULL);
}

static void add_settings(struct table *t)
{
    const struct settings *s = t->plan->settings;

    if (!s->own_sources)
        return;
    add(t, 0, "settings", NULL, NULL);
    for (size_t i = 0; i < setting_def_count; i++) {
        const char *value = s->own_sources[i].value;
        add(t, 1, setting_defs[i].key, value && *value ? value : "-", s->own_sources[i].source);
    }
}

static void add_images(struct table *t)
{
    add(t, 0, "images", NULL, NULL);
    for (size_t i = 0; i < t->plan->images.len; i++) {
        const struct plan_image *image = &t->plan->images.items[i];
        addf(t, 1, image->ref, NULL, "for %s", image->used_by);
    }
}

static const char *override_source(const struct service_setting *setting, const char *key)
{
    for (size_t i = 0; i < setting->overrides.len; i++) {
        if (strcmp(setting->overrides.items[i].key, key) == 0)
            return setting->overrides.items[i].set.source;
    }
    return "default";
}

static const char *port_source(const struct service_setting *setting)
{
    const char *source = override_source(setting, "port");
    return setting->declaration && strcmp(source, "default") == 0 ? setting->defined : source;
}

static void add_entry(struct table *t, int indent, const char *entry, const char *source)
{
    size_t len = strcspn(entry, "=");
    _cleanup_free_ char *key = xstrndup(entry, len);
    bool secret = mask_is_secret_name(key) && entry[len] && entry[len + 1];

    add(t, indent, key, secret ? MASK : entry + len + !!entry[len], source);
}

static void add_overrides(struct table *t, const struct service_setting *setting)
{
    for (size_t i = 0; i < setting->overrides.len; i++) {
        const struct override_setting *o = &setting->overrides.items[i];
        const struct override_def *def = provider_override(setting->provider, o->key);
        _cleanup_free_ char *name = xasprintf("%s.%s", setting->name, o->key);

        if (strcmp(o->key, "environment") != 0) /* shown below, entry by entry */
            add(t, 2, name, def && def->secret ? MASK : o->set.value, o->set.source);
    }
}

/* The service's own environment: what the user gave says where. */
static void add_service_env(struct table *t, const struct service_plan *spec,
                            const struct service_setting *setting)
{
    _cleanup_strvec_ struct strvec given = STRVEC_INIT;

    for (size_t i = 0; i < setting->overrides.len; i++) {
        if (strcmp(setting->overrides.items[i].key, "environment") == 0)
            strvec_split(&given, setting->overrides.items[i].set.value, "\n");
    }
    for (size_t i = 0; i < spec->env.len; i++) {
        bool user = setting->declaration || strvec_contains(&given, spec->env.items[i]);
        add_entry(t, 2, spec->env.items[i], user ? override_source(setting, "environment") : NULL);
    }
}

static void add_size(struct table *t, const char *name, uint64_t bytes, const char *source)
{
    if (bytes % (1 << 20) == 0 && bytes > 0)
        addf(t, 2, name, source, "%llu MiB", (unsigned long long)(bytes >> 20));
    else if (bytes > 0)
        addf(t, 2, name, source, "%llu bytes", (unsigned long long)bytes);
}

static char *ready_words(const struct plan_service *service)
{
    const struct service_plan *spec = &service->spec;
    const struct declaration *d = service->setting->declaration;

    if (spec->log_text)
        return xasprintf("when its output has '%s'", spec->log_text);
    if (spec->exec_words.len) {
        _cleanup_free_ char *words = words_join(&spec->exec_words);
        return xasprintf("when %s ends with 0 in its container", words);
    }
    const char *address = service->provider->probe->address;
    if (d && d->ready == DECLARATION_HTTP) {
        const char *status = strchr(spec->probe_arg, ' ');
        return xasprintf("when http://%s:%u%.*s answers%s", address, spec->port,
                         (int)strcspn(spec->probe_arg, " "), spec->probe_arg,
                         status ? status : " 2xx or 3xx");
    }
    return xasprintf(d ? "when %s:%u takes connections" : "when it answers at %s:%u", address,
                     spec->port);
}

static void add_ports(struct table *t, const struct service_plan *spec, const char *source)
{
    _cleanup_strbuf_ struct strbuf ports = STRBUF_INIT;

    strbuf_addf(&ports, "%u", spec->port);
    for (size_t i = 0; i < SERVICE_PORTS && spec->more_ports[i]; i++)
        strbuf_addf(&ports, " %u", spec->more_ports[i]);
    if (spec->port)
        add(t, 2, spec->more_ports[0] ? "ports" : "port", ports.buf, source);
}

static void add_files(struct table *t, const struct service_plan *spec, const char *source)
{
    for (size_t i = 0; i + 1 < spec->files.len; i += 2) {
        _cleanup_free_ char *name = xasprintf("file %s", spec->files.items[i]);
        add(t, 2, name, spec->files.items[i + 1], source);
    }
}

static void add_container(struct table *t, const struct plan_service *service,
                          const struct service_setting *setting)
{
    const struct service_plan *spec = &service->spec;
    const char *declared = setting->declaration ? setting->defined : NULL;
    _cleanup_free_ char *ready = ready_words(service);

    add(t, 2, "image", spec->image, override_source(setting, "image"));
    if (spec->entrypoint.len)
        add_words(t, 2, "entrypoint", &spec->entrypoint, declared);
    add_words(t, 2, "command", &spec->argv, override_source(setting, "command"));
    if (spec->user)
        add(t, 2, "user", spec->user, override_source(setting, "user"));
    add_ports(t, spec, port_source(setting));
    add(t, 2, "ready", ready, declared);
    add_size(t, "memory", spec->memory, override_source(setting, "memory"));
    add_size(t, "shm", spec->shm_size, NULL);
    add(t, 2, "volumes", spec->tmpfs_volumes ? "on tmpfs" : "as in the image",
        override_source(setting, "tmpfs"));
    for (size_t i = 0; i < spec->tmpfs.len; i++)
        add(t, 2, "tmpfs", spec->tmpfs.items[i], declared);
    add_files(t, spec, declared);
    if (spec->namespace_words.len)
        add_words(t, 2, "namespace", &spec->namespace_words, NULL);
    add_service_env(t, spec, setting);
}

static void add_sink(struct table *t, const struct plan_service *service)
{
    const struct service_plan *spec = &service->spec;
    const struct service_setting *setting = service->setting;
    _cleanup_free_ char *file = sink_file(spec->sink, service->name);

    addf(t, 2, "port", override_source(setting, "port"), "%u", spec->port);
    addf(t, 2, "kept", "served by cleanroom itself", "shard-K/%s", file);
}

static void add_service(struct table *t, const struct plan_service *service)
{
    const struct service_setting *setting = service->setting;

    add(t, 1, "service", service->name, setting->source);
    if (setting->defined)
        add(t, 2, "defined", setting->declaration ? "here" : service->provider->name,
            setting->defined);
    if (service->index == 0)
        add_overrides(t, setting);
    if (service->shared)
        addf(t, 2, "shared", override_source(setting, "isolation"), "one for all shards, %s",
             service->provider->namespaces);
    if (service->spec.idle)
        add(t, 2, "idle", "shards have a network: nothing stands in the way", NULL);
    else if (service->spec.sink != SINK_NONE)
        add_sink(t, service);
    else if (service->spec.external)
        add(t, 2, "external", "nothing is started; all shards share that server", NULL);
    else
        add_container(t, service, setting);
}

/* Who has set this variable of the app. */
static const char *variable_source(const struct plan *plan, const struct plan_shard *shard,
                                   const char *key)
{
    const struct settings *s = plan->settings;

    for (size_t i = 0; i < s->environment.len; i++) {
        if (strcmp(s->environment.items[i].key, key) == 0)
            return s->environment.items[i].set.source;
    }
    if (shardvars_has(key))
        return "shard";
    for (size_t i = shard->services.len; i-- > 0;) {
        if (strvec_getenv(&shard->services.items[i].spec.app_env, key))
            return shard->services.items[i].name;
    }
    return "pallet";
}

static void add_shard(struct table *t, const struct plan_shard *shard)
{
    addf(t, 0, "shard", NULL, "%d of %zu", shard->number, t->plan->shards.len);
    for (size_t i = 0; i < shard->services.len; i++)
        add_service(t, &shard->services.items[i]);
    add(t, 1, "app", NULL, NULL);
    for (size_t i = 0; i < shard->app_env.len; i++) {
        const char *entry = shard->app_env.items[i];
        _cleanup_free_ char *key = xstrndup(entry, strcspn(entry, "="));
        add_entry(t, 2, entry, variable_source(t->plan, shard, key));
    }
}

static int columns(const char *text) /* characters of UTF-8 */
{
    int n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void pad(FILE *out, int have, int want)
{
    fprintf(out, "%*s", have < want ? want - have : 0, "");
}

static void table_print(const struct table *t, FILE *out)
{
    int names = 0, values = 0;

    for (size_t i = 0; i < t->rows.len; i++) {
        const struct row *row = &t->rows.items[i];
        int name = row->indent * 2 + columns(row->name);
        int value = row->value ? columns(row->value) : 0;
        names = row->value && name > names ? name : names;
        values = value <= VALUE_COLUMN_MAX && value > values ? value : values;
    }
    for (size_t i = 0; i < t->rows.len; i++) {
        const struct row *row = &t->rows.items[i];
        fprintf(out, "%s%*s%s", row->indent == 0 && i ? "\n" : "", row->indent * 2, "", row->name);
        if (row->value) {
            pad(out, row->indent * 2 + columns(row->name), names);
            fprintf(out, "  %s", row->value);
        }
        if (row->value && *row->source) {
            pad(out, columns(row->value), values);
            fprintf(out, "  %s", row->source);
        }
        fputc('\n', out);
    }
}

/* The names of the entries in which any later shard differs from the first. */
static void add_differences(struct strvec *names, const struct strvec *first,
                            const struct strvec *other)
{
    for (size_t i = 0; i < other->len && i < first->len; i++) {
        _cleanup_free_ char *key = xstrndup(other->items[i], strcspn(other->items[i], "="));
        if (strcmp(first->items[i], other->items[i]) != 0 && !strvec_contains(names, key))
            strvec_push(names, key);
    }
}

static void print_others(const struct plan *plan, FILE *out)
{
    _cleanup_strvec_ struct strvec names = STRVEC_INIT;
    const struct plan_shard *first = &plan->shards.items[0];

    if (plan->shards.len < 2)
        return;
    for (size_t i = 1; i < plan->shards.len; i++) {
        const struct plan_shard *shard = &plan->shards.items[i];
        add_differences(&names, &first->app_env, &shard->app_env);
        for (size_t k = 0; k < shard->services.len; k++)
            add_differences(&names, &first->services.items[k].spec.env,
                            &shard->services.items[k].spec.env);
    }
    if (plan->shards.len == 2)
        fputs("\nshard 2 differs in\n", out);
    else
        fprintf(out, "\nshards 2..%zu differ in\n", plan->shards.len);
    for (size_t i = 0; i < names.len; i++)
        fprintf(out, "  %s\n", names.items[i]);
}

void plan_print(const struct plan *plan, FILE *out)
{
    _cleanup_(table_deinit) struct table table = {.plan = plan};

    add_run(&table);
    add_settings(&table);
    add_images(&table);
    add_shard(&table, &plan->shards.items[0]);
    table_print(&table, out);
    print_others(plan, out);
}

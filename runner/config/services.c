/* SPDX-License-Identifier: Apache-2.0 */
#include "config/services.h"

#include <string.h>

#include "config/env.h"
#include "config/schema.h"
#include "config/values.h"

/* An override on its way in: whose, which, and from where. */
struct target {
    struct services *services;
    const struct provider *provider;
    const struct override_def *def;
};

static void override_deinit(struct override_setting *o)
{
    free(o->key);
    free(o->set.value);
    free(o->set.source);
}

void services_init(struct services *s)
{
    *s = (struct services){0};
    s->overrides = xcalloc(provider_count, sizeof(*s->overrides));
}

void services_clear(struct services *s)
{
    for (size_t i = 0; i < s->requests.len; i++)
        free(s->requests.items[i].source);
    s->requests.len = 0;
}

void services_deinit(struct services *s)
{
    services_clear(s);
    vec_deinit(&s->requests);
    for (size_t p = 0; s->overrides && p < provider_count; p++) {
        for (size_t i = 0; i < s->overrides[p].items.len; i++)
            override_deinit(&s->overrides[p].items.items[i]);
        vec_deinit(&s->overrides[p].items);
    }
    free(s->overrides);
    s->overrides = NULL;
}

static struct service_overrides *overrides_of(const struct services *s,
                                              const struct provider *provider)
{
    size_t i = 0;
    while (providers[i] != provider)
        i++;
    return &s->overrides[i];
}

static int unknown_service(const char *name, const struct origin *origin, struct error *err)
{
    _cleanup_free_ const char **names = xcalloc(2 * provider_count, sizeof(*names));
    for (size_t i = 0; i < provider_count; i++) {
        names[i] = providers[i]->name;
        names[provider_count + i] = providers[i]->alias;
    }
    /* An alias may be what was meant, but is not listed beside its service. */
    bool meant = nearest_name(name, names, 2 * provider_count);
    return origin_unknown(origin, err, "service", name, names,
                          meant ? 2 * provider_count : provider_count);
}

int services_request(struct services *s, const char *name, const struct origin *origin,
                     struct error *err)
{
    const struct provider *provider = provider_find(name);
    if (!provider)
        return unknown_service(name, origin, err);
    for (size_t i = 0; i < s->requests.len; i++)
        if (s->requests.items[i].provider == provider)
            return origin_error(origin, err, "the service '%s' is listed twice", provider->name);

    *vec_push(&s->requests) = (struct service_request){provider, origin_source(origin)};
    return 0;
}

int services_from_yaml(struct services *s, const struct yaml_node *list, struct error *err)
{
    if (list->kind == YAML_NULL)
        return 0; /* nothing said; [] says that there are none */

    _cleanup_(schema_texts_deinit) struct schema_texts names = {0};
    if (schema_texts(list, "the name of a service", &names, err) < 0)
        return -1;

    services_clear(s);
    for (size_t i = 0; i < names.len; i++) {
        const struct origin origin = origin_node(names.items[i].node);
        if (services_request(s, names.items[i].node->text, &origin, err) < 0)
            return -1;
    }
    return 0;
}

static struct override_setting *find_override(const struct target *t)
{
    const struct service_overrides *all = overrides_of(t->services, t->provider);
    for (size_t i = 0; i < all->items.len; i++)
        if (strcmp(all->items.items[i].key, t->def->key) == 0)
            return &all->items.items[i];
    return NULL;
}

static void store(const struct target *t, const char *value, const struct origin *origin)
{
    struct override_setting *o = find_override(t);
    if (!o) {
        o = vec_push(&overrides_of(t->services, t->provider)->items);
        o->key = xstrdup(t->def->key);
    }
    replace_str(&o->set.value, value);
    free(o->set.source);
    o->set.source = origin_source(origin);
}

static int store_checked(const struct target *t, const char *value, const struct origin *origin,
                         struct error *err)
{
    int64_t number;
    bool good = value_int(value, &number) == 0;
    if (t->def->type == OVERRIDE_PORT && (!good || number < 1 || number > 65535))
        return origin_error(origin, err, "'%s' is not a port: a number between 1 and 65535", value);
    if (t->def->type == OVERRIDE_NUMBER && (!good || number < 0))
        return origin_error(origin, err, "'%s' is not a number, 0 or more", value);
    store(t, value, origin);
    return 0;
}

/* Adds one K=V to the lines of an OVERRIDE_ENV: they merge by key, across the layers too. */
static int store_env(void *data, const char *key, const char *value, const struct origin *origin,
                     struct error *err)
{
    const struct target *t = data;
    if (env_check_key(key, origin, err) < 0)
        return -1;
    if (strchr(value, '\n'))
        return origin_error(origin, err, "the value of '%s' must be a single line", key);

    const struct override_setting *old = find_override(t);
    _cleanup_strvec_ struct strvec lines = STRVEC_INIT;
    strvec_split(&lines, old ? old->set.value : "", "\n");
    strvec_setenv(&lines, key, value);
    _cleanup_free_ char *joined = strvec_join(&lines, "\n");
    store(t, joined, origin);
    return 0;
}

static int store_list(const struct target *t, const struct yaml_node *value, struct error *err)
{
    _cleanup_(schema_texts_deinit) struct schema_texts texts = {0};
    if (schema_texts(value, "text", &texts, err) < 0)
        return -1;

    _cleanup_strbuf_ struct strbuf joined = STRBUF_INIT;
    for (size_t i = 0; i < texts.len; i++)
        strbuf_addf(&joined, "%s%s", i ? "|" : "", texts.items[i].node->text);
    const struct origin origin = origin_node(value);
    store(t, joined.buf, &origin);
    return 0;
}

static int take_override(void *data, const struct schema_key *row, const struct yaml_node *key,
                         const struct yaml_node *value, struct error *err)
{
    struct target t = *(struct target *)data;
    t.def = row->fact;
    const struct origin origin = origin_node(value);
    if (value->kind == YAML_NULL)
        return 0; /* nothing said: a lower layer's value stands */
    if (t.def->type == OVERRIDE_LIST)
        return store_list(&t, value, err);
    if (t.def->type == OVERRIDE_ENV)
        return schema_pairs(value, store_env, &t, err);
    if (value->kind != YAML_SCALAR)
        return origin_error(&origin, err, "the value of '%s' must be text, not %s", key->text,
                            yaml_kind_name(value->kind));
    return store_checked(&t, value->text, &origin, err);
}

/* A provider's own overrides come first, so that they win over common ones of the same name. */
struct override_rows {
    struct schema_key *items;
    size_t len, cap;
};

static void add_rows(struct override_rows *rows, const struct override_def *defs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        *vec_push(rows) = (struct schema_key){defs[i].key, take_override, &defs[i]};
}

static void override_rows_deinit(struct override_rows *rows)
{
    vec_deinit(rows);
}

static void collect_rows(const struct provider *provider, struct override_rows *rows)
{
    add_rows(rows, provider->overrides, provider->override_count);
    add_rows(rows, provider_common_overrides, provider_common_override_count);
}

int services_overrides_from_yaml(struct services *s, const struct provider *provider,
                                 const struct yaml_node *map, struct error *err)
{
    _cleanup_(override_rows_deinit) struct override_rows rows = {0};
    struct target t = {s, provider, NULL};
    _cleanup_free_ char *what = xasprintf("%s override", provider->name);
    collect_rows(provider, &rows);
    return schema_map(map, rows.items, rows.len, what, &t, err);
}

static int unknown_override(const struct provider *provider, const char *key,
                            const struct origin *origin, struct error *err)
{
    _cleanup_(override_rows_deinit) struct override_rows rows = {0};
    _cleanup_free_ char *what = xasprintf("%s override", provider->name);
    collect_rows(provider, &rows);
    _cleanup_free_ const char **names = xcalloc(rows.len, sizeof(*names));
    for (size_t i = 0; i < rows.len; i++)
        names[i] = rows.items[i].key;
    return origin_unknown(origin, err, what, key, names, rows.len);
}

/* The same flag once more: one list of both. */
static int grow_list(const struct target *t, const char *value, const struct origin *origin)
{
    const struct override_setting *old = find_override(t);
    if (!old || strcmp(old->set.source, origin->name) != 0) {
        store(t, value, origin);
        return 0;
    }
    _cleanup_free_ char *joined = xasprintf("%s|%s", old->set.value, value);
    store(t, joined, origin);
    return 0;
}

static int take_flag(struct target *t, const char *name, const char *value,
                     const struct origin *origin, struct error *err)
{
    if (t->def->type == OVERRIDE_ENV)
        return name ? store_env(t, name, value, origin, err)
                    : schema_pair(value, origin, store_env, t, err);
    if (t->def->type == OVERRIDE_LIST)
        return grow_list(t, value, origin);
    return store_checked(t, value, origin, err);
}

int services_override_from_flag(struct services *s, const char *path, const char *value,
                                const struct origin *origin, struct error *err)
{
    _cleanup_strvec_ struct strvec parts = STRVEC_INIT;
    const char *dot = strchr(path, '.'), *rest = dot + 1, *second = strchr(rest, '.');
    strvec_take(&parts, xstrndup(path, (size_t)(dot - path)));
    strvec_take(&parts, second ? xstrndup(rest, (size_t)(second - rest)) : xstrdup(rest));

    struct target t = {s, provider_find(parts.items[0]), NULL};
    if (!t.provider)
        return unknown_service(parts.items[0], origin, err);
    t.def = provider_override(t.provider, parts.items[1]);
    if (!t.def)
        return unknown_override(t.provider, parts.items[1], origin, err);
    if (second && t.def->type != OVERRIDE_ENV)
        return origin_error(origin, err, "'%s' has nothing below it", t.def->key);
    return take_flag(&t, second ? second + 1 : NULL, value, origin, err);
}

void services_finish(struct services *s, struct settings *out)
{
    for (size_t i = 0; i < s->requests.len; i++) {
        struct service_request *request = &s->requests.items[i];
        struct service_overrides *overrides = overrides_of(s, request->provider);
        struct service_setting *service = vec_push(&out->services);
        service->provider = request->provider;
        service->source = TAKE_PTR(request->source);
        memcpy(&service->overrides, &overrides->items, sizeof(service->overrides));
        memset(&overrides->items, 0, sizeof(overrides->items));
    }
}

void service_setting_deinit(struct service_setting *service)
{
    for (size_t i = 0; i < service->overrides.len; i++)
        override_deinit(&service->overrides.items[i]);
    vec_deinit(&service->overrides);
    free(service->source);
}

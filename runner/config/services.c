/* SPDX-License-Identifier: Apache-2.0 */
#include "config/services.h"

#include <string.h>

#include "config/declared.h"
#include "config/env.h"
#include "config/values.h"
#include "config/words.h"

/* An override on its way in: whose, which, and from where. */
struct target {
    struct known_service *service;
    const struct override_def *def;
};

static void override_deinit(struct override_setting *o)
{
    free(o->key);
    free(o->set.value);
    free(o->set.source);
}

/* Leaves nothing but the name. */
static void forget(struct known_service *service)
{
    for (size_t i = 0; i < service->overrides.len; i++)
        override_deinit(&service->overrides.items[i]);
    vec_deinit(&service->overrides);
    declaration_free(TAKE_PTR(service->declaration));
    free(TAKE_PTR(service->defined));
    service->provider = NULL;
}

static struct known_service *add_known(struct services *s, const char *name)
{
    struct known_service *service = xcalloc(1, sizeof(*service));
    service->name = xstrdup(name);
    *vec_push(&s->known) = service;
    return service;
}

void services_init(struct services *s)
{
    *s = (struct services){0};
    for (size_t i = 0; i < provider_count; i++)
        add_known(s, providers[i]->name)->provider = providers[i];
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
    for (size_t i = 0; i < s->known.len; i++) {
        forget(s->known.items[i]);
        free(s->known.items[i]->name);
        free(s->known.items[i]);
    }
    vec_deinit(&s->known);
}

struct known_service *services_find(const struct services *s, const char *name)
{
    for (size_t i = 0; i < s->known.len; i++) {
        struct known_service *service = s->known.items[i];
        const char *alias = i < provider_count ? service->provider->alias : NULL;
        if (strcmp(service->name, name) == 0 || (alias && strcmp(alias, name) == 0))
            return service;
    }
    return NULL;
}

struct known_service *services_define(struct services *s, const char *name,
                                      const struct origin *origin)
{
    struct known_service *service = services_find(s, name);
    if (service)
        forget(service);
    else
        service = add_known(s, name);
    service->defined = origin_source(origin);
    return service;
}

int services_unknown(const struct services *s, const char *name, const struct origin *origin,
                     struct error *err)
{
    size_t count = s->known.len;
    _cleanup_free_ const char **names = xcalloc(count + provider_count, sizeof(*names));
    for (size_t i = 0; i < count; i++)
        names[i] = s->known.items[i]->name;
    for (size_t i = 0; i < provider_count; i++)
        names[count + i] = providers[i]->alias;
    /* An alias may be what was meant, but is not listed beside its service. */
    bool meant = nearest_name(name, names, count + provider_count);
    return origin_unknown(origin, err, "service", name, names,
                          meant ? count + provider_count : count);
}

int services_request(struct services *s, const char *name, const struct origin *origin,
                     struct error *err)
{
    struct known_service *service = services_find(s, name);
    if (!service)
        return services_unknown(s, name, origin, err);
    for (size_t i = 0; i < s->requests.len; i++)
        if (s->requests.items[i].service == service)
            return origin_error(origin, err, "the service '%s' is listed twice", service->name);

    *vec_push(&s->requests) = (struct service_request){service, origin_source(origin)};
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
    for (size_t i = 0; i < t->service->overrides.len; i++)
        if (strcmp(t->service->overrides.items[i].key, t->def->key) == 0)
            return &t->service->overrides.items[i];
    return NULL;
}

static void store(const struct target *t, const char *value, const struct origin *origin)
{
    struct override_setting *o = find_override(t);
    if (!o) {
        o = vec_push(&t->service->overrides);
        o->key = xstrdup(t->def->key);
    }
    replace_str(&o->set.value, value);
    free(o->set.source);
    o->set.source = origin_source(origin);
}

static int check_count(const struct target *t, const char *value, const struct origin *origin,
                       struct error *err)
{
    int64_t number;
    if (!t->service->provider->countable)
        return origin_error(origin, err,
                            "there is one '%s' at most, since the app is told of one; define "
                            "another under a name of its own, below 'cleanroom: services'",
                            t->service->name);
    if (value_int(value, &number) < 0 || number < 1 || number > SERVICE_COUNT_MAX)
        return origin_error(origin, err, "'%s' is not a number between 1 and %d", value,
                            SERVICE_COUNT_MAX);
    return 0;
}

static char *shareable_names(void)
{
    _cleanup_strvec_ struct strvec names = STRVEC_INIT;
    for (size_t i = 0; i < provider_count; i++)
        if (providers[i]->namespaces)
            strvec_push(&names, providers[i]->name);
    return strvec_join(&names, ", ");
}

static int check_isolation(const struct target *t, const char *value, const struct origin *origin,
                           struct error *err)
{
    if (strcmp(value, ISOLATION_SHARD) == 0)
        return 0;
    if (strcmp(value, ISOLATION_NAMESPACE) != 0)
        return origin_error(origin, err, "'%s' is neither '%s' nor '%s'", value, ISOLATION_SHARD,
                            ISOLATION_NAMESPACE);
    if (t->service->provider->namespaces)
        return 0;
    _cleanup_free_ char *names = shareable_names();
    return origin_error(origin, err,
                        "there are no namespaces in '%s', so each shard needs its own; one for all "
                        "can be: %s",
                        t->service->name, names);
}

/* What stands in a declared service's container is full of placeholders. */
static int check_placeholders(const struct target *t, const char *value,
                              const struct origin *origin, struct error *err)
{
    bool expanded = t->def->type == OVERRIDE_WORDS || t->def->type == OVERRIDE_ENV;
    if (!t->service->declaration || !expanded)
        return 0;
    return declared_check(t->service->declaration, value, origin, err);
}

static int check_words(const char *value, const struct origin *origin, struct error *err)
{
    _cleanup_strvec_ struct strvec words = STRVEC_INIT;
    _cleanup_error_ struct error why = ERROR_INIT;
    if (provider_split_words(&words, value, &why) < 0)
        return origin_error(origin, err, "%s", why.message);
    return words.len ? 0 : origin_error(origin, err, "there is not a word here");
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
    if (t->def->type == OVERRIDE_COUNT && check_count(t, value, origin, err) < 0)
        return -1;
    if (t->def->type == OVERRIDE_ISOLATION && check_isolation(t, value, origin, err) < 0)
        return -1;
    if (t->def->type == OVERRIDE_WORDS && check_words(value, origin, err) < 0)
        return -1;
    if (check_placeholders(t, value, origin, err) < 0)
        return -1;
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
    if (check_placeholders(t, value, origin, err) < 0)
        return -1;

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

static int store_words(const struct target *t, const struct yaml_node *value, struct error *err)
{
    _cleanup_(schema_texts_deinit) struct schema_texts texts = {0};
    if (schema_texts(value, "a word", &texts, err) < 0)
        return -1;

    _cleanup_strbuf_ struct strbuf joined = STRBUF_INIT;
    for (size_t i = 0; i < texts.len; i++) {
        strbuf_adds(&joined, i ? " " : "");
        words_quote(&joined, texts.items[i].node->text);
    }
    const struct origin origin = origin_node(value);
    return store_checked(t, joined.buf, &origin, err);
}

int services_take_override(struct known_service *service, const struct schema_key *row,
                           const struct yaml_node *key, const struct yaml_node *value,
                           struct error *err)
{
    struct target t = {service, row->fact};
    const struct origin origin = origin_node(value);
    if (value->kind == YAML_NULL)
        return 0; /* nothing said: a lower layer's value stands */
    if (t.def->type == OVERRIDE_LIST)
        return store_list(&t, value, err);
    if (t.def->type == OVERRIDE_ENV)
        return schema_pairs(value, store_env, &t, err);
    if (t.def->type == OVERRIDE_WORDS && value->kind == YAML_SEQUENCE)
        return store_words(&t, value, err);
    if (value->kind != YAML_SCALAR)
        return origin_error(&origin, err, "the value of '%s' must be text, not %s", key->text,
                            yaml_kind_name(value->kind));
    return store_checked(&t, value->text, &origin, err);
}

static int take_override(void *data, const struct schema_key *row, const struct yaml_node *key,
                         const struct yaml_node *value, struct error *err)
{
    return services_take_override(data, row, key, value, err);
}

static void add_defs(struct override_rows *rows, const struct override_def *defs, size_t count,
                     schema_fn take)
{
    for (size_t i = 0; i < count; i++)
        *vec_push(rows) = (struct schema_key){defs[i].key, take, &defs[i]};
}

/* A provider's own come first, so that they win over common ones of the same name. */
void services_add_rows(struct override_rows *rows, const struct provider *provider, schema_fn take)
{
    add_defs(rows, provider->overrides, provider->override_count, take);
    add_defs(rows, provider_common_overrides, provider_common_override_count, take);
}

void override_rows_deinit(struct override_rows *rows)
{
    vec_deinit(rows);
}

int services_overrides_from_yaml(struct known_service *service, const struct yaml_node *map,
                                 struct error *err)
{
    _cleanup_(override_rows_deinit) struct override_rows rows = {0};
    _cleanup_free_ char *what = xasprintf("%s override", service->name);
    services_add_rows(&rows, service->provider, take_override);
    return schema_map(map, rows.items, rows.len, what, service, err);
}

static int unknown_override(const struct known_service *service, const char *key,
                            const struct origin *origin, struct error *err)
{
    _cleanup_(override_rows_deinit) struct override_rows rows = {0};
    _cleanup_free_ char *what = xasprintf("%s override", service->name);
    services_add_rows(&rows, service->provider, take_override);
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

    struct target t = {services_find(s, parts.items[0]), NULL};
    if (!t.service)
        return services_unknown(s, parts.items[0], origin, err);
    t.def = provider_override(t.service->provider, parts.items[1]);
    if (!t.def)
        return unknown_override(t.service, parts.items[1], origin, err);
    if (second && t.def->type != OVERRIDE_ENV)
        return origin_error(origin, err, "'%s' has nothing below it", t.def->key);
    return take_flag(&t, second ? second + 1 : NULL, value, origin, err);
}

void services_finish(struct services *s, struct settings *out)
{
    for (size_t i = 0; i < s->requests.len; i++) {
        struct service_request *request = &s->requests.items[i];
        struct known_service *known = request->service;
        struct service_setting *service = vec_push(&out->services);
        service->provider = known->provider;
        service->name = xstrdup(known->name);
        service->defined = TAKE_PTR(known->defined);
        service->declaration = TAKE_PTR(known->declaration);
        service->source = TAKE_PTR(request->source);
        memcpy(&service->overrides, &known->overrides, sizeof(service->overrides));
        memset(&known->overrides, 0, sizeof(known->overrides));
    }
}

void service_setting_deinit(struct service_setting *service)
{
    for (size_t i = 0; i < service->overrides.len; i++)
        override_deinit(&service->overrides.items[i]);
    vec_deinit(&service->overrides);
    declaration_free(service->declaration);
    free(service->name);
    free(service->defined);
    free(service->source);
}

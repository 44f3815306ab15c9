/* SPDX-License-Identifier: Apache-2.0 */
#include "config/define.h"

#include <string.h>

#include "config/declared.h"

#define NAME_MAX_LEN 32

/* It becomes part of names of containers, files and variables. */
static bool is_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    return *name >= 'a' && *name <= 'z' && !name[len] && len <= NAME_MAX_LEN;
}

static bool is_listed(const char *name, const char *const *list)
{
    while (*list && strcmp(*list, name) != 0)
        list++;
    return *list;
}

static int check_name(const struct yaml_node *key, const char *const *taken, struct error *err)
{
    /* Other containers of a shard, and the app's log. */
    static const char *const roles[] = {"app", "holder", "deploy", "test", NULL};
    if (!is_name(key->text))
        return yaml_node_error(key, err,
                               "'%s' cannot name a service: use small letters, digits, '_' and "
                               "'-', %d at most, and a letter first",
                               key->text, NAME_MAX_LEN);
    if (provider_find(key->text))
        return yaml_node_error(key, err, "'%s' is a service already: this one needs another name",
                               key->text);
    if (is_listed(key->text, taken) || is_listed(key->text, roles))
        return yaml_node_error(
            key, err, "'%s' is the name of something else: this service needs another", key->text);
    return 0;
}

static int take_nothing(void *data _unused_, const struct schema_key *row _unused_,
                        const struct yaml_node *key _unused_,
                        const struct yaml_node *value _unused_, struct error *err _unused_)
{
    return 0;
}

static int take_override(void *data, const struct schema_key *row, const struct yaml_node *key,
                         const struct yaml_node *value, struct error *err)
{
    return services_take_override(data, row, key, value, err);
}

static int take_declared(void *data, const struct schema_key *row, const struct yaml_node *key,
                         const struct yaml_node *value, struct error *err)
{
    const struct known_service *service = data;
    const struct schema_key *own = row->fact;
    return own->take(service->declaration, own, key, value, err);
}

static const struct provider *find_kind(const struct yaml_node *kind, struct error *err)
{
    const struct provider *provider = kind->kind == YAML_SCALAR ? provider_find(kind->text) : NULL;
    if (provider)
        return provider;
    if (kind->kind != YAML_SCALAR) {
        yaml_node_error(kind, err, "the name of a service is wanted here, not %s",
                        yaml_kind_name(kind->kind));
        return NULL;
    }
    const struct origin origin = origin_node(kind);
    _cleanup_free_ const char **names = xcalloc(provider_count, sizeof(*names));
    for (size_t i = 0; i < provider_count; i++)
        names[i] = providers[i]->name;
    origin_unknown(&origin, err, "service", kind->text, names, provider_count);
    return NULL;
}

/* One more of a kind; what stands beside `service` are its overrides. */
static int define_another(struct known_service *service, const struct yaml_node *map,
                          struct error *err)
{
    _cleanup_(override_rows_deinit) struct override_rows rows = {0};
    _cleanup_free_ char *what = xasprintf("%s override", service->name);
    service->provider = find_kind(yaml_node_get(map, "service"), err);
    if (!service->provider)
        return -1;
    services_add_rows(&rows, service->provider, take_override);
    *vec_push(&rows) = (struct schema_key){"service", take_nothing, NULL};
    return schema_map(map, rows.items, rows.len, what, service, err);
}

static int declare(struct known_service *service, const struct yaml_node *map,
                   const struct yaml_node *image, struct error *err)
{
    _cleanup_(override_rows_deinit) struct override_rows rows = {0};
    if (image->kind != YAML_SCALAR || !*image->text)
        return yaml_node_error(image, err, "the name of an image is wanted here");
    service->declaration = declaration_new(service->name, image->text);
    service->provider = &service->declaration->provider;
    if (declared_begin(service->declaration, map, err) < 0)
        return -1;

    /* Ours first: they win over overrides of the same name. */
    for (size_t i = 0; i < declared_key_count; i++)
        *vec_push(&rows) = (struct schema_key){declared_keys[i].key, take_declared,
                                               &declared_keys[i]};
    services_add_rows(&rows, service->provider, take_override);
    if (schema_map(map, rows.items, rows.len, "key of a service", service, err) < 0)
        return -1;
    return declared_end(service->declaration, map, err);
}

static int define(struct services *s, const struct yaml_node *key, const struct yaml_node *map,
                  const char *const *taken, struct error *err)
{
    const struct yaml_node *image = yaml_node_get(map, "image");
    bool another = yaml_node_get(map, "service");
    const struct origin origin = origin_node(key);
    if (check_name(key, taken, err) < 0)
        return -1;
    if (map->kind != YAML_MAPPING)
        return yaml_node_error(map->kind == YAML_NULL ? key : map, err,
                               "a map with 'image', or with 'service', is wanted here");
    if (!another && !image)
        return yaml_node_error(key, err,
                               "'%s' has neither an 'image' nor a 'service' of which it is one "
                               "more",
                               key->text);
    struct known_service *service = services_define(s, key->text, &origin);
    return another ? define_another(service, map, err) : declare(service, map, image, err);
}

int define_services(struct services *s, const struct yaml_node *map, const char *const *taken,
                    struct error *err)
{
    if (map->kind != YAML_MAPPING && map->kind != YAML_NULL)
        return yaml_node_error(map, err, "a map of services is wanted here, not %s",
                               yaml_kind_name(map->kind));
    for (size_t i = 0; i < yaml_node_count(map); i++)
        if (define(s, yaml_node_key(map, i), yaml_node_value(map, i), taken, err) < 0)
            return -1;
    return 0;
}

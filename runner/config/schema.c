/* SPDX-License-Identifier: Apache-2.0 */
#include "config/schema.h"

#include <string.h>

static const struct schema_key *find_row(const struct schema_key *rows, size_t count,
                                         const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].key, key) == 0)
            return &rows[i];
    return NULL;
}

static int unknown_key(const struct yaml_node *key, const struct schema_key *rows, size_t count,
                       const char *what, struct error *err)
{
    const struct origin origin = origin_node(key);
    _cleanup_free_ const char **names = xcalloc(count, sizeof(*names));
    for (size_t i = 0; i < count; i++)
        names[i] = rows[i].key;
    return origin_unknown(&origin, err, what, key->text, names, count);
}

int schema_map(const struct yaml_node *map, const struct schema_key *rows, size_t count,
               const char *what, void *data, struct error *err)
{
    if (map->kind != YAML_MAPPING && map->kind != YAML_NULL)
        return yaml_node_error(map, err, "a map is wanted here, not %s", yaml_kind_name(map->kind));

    for (size_t i = 0; i < yaml_node_count(map); i++) {
        const struct yaml_node *key = yaml_node_key(map, i);
        const struct schema_key *row = find_row(rows, count, key->text);
        if (!row)
            return unknown_key(key, rows, count, what, err);
        if (row->take(data, row, key, yaml_node_value(map, i), err) < 0)
            return -1;
    }
    return 0;
}

static int add_text(struct schema_texts *out, const struct yaml_node *node, const char *what,
                    struct error *err)
{
    if (node->kind != YAML_SCALAR)
        return yaml_node_error(node, err, "%s is wanted here, not %s", what,
                               yaml_kind_name(node->kind));
    vec_push(out)->node = node;
    return 0;
}

int schema_texts(const struct yaml_node *node, const char *what, struct schema_texts *out,
                 struct error *err)
{
    if (node->kind == YAML_NULL)
        return 0;
    if (node->kind != YAML_SEQUENCE)
        return add_text(out, node, what, err);

    for (size_t i = 0; i < yaml_node_count(node); i++)
        if (add_text(out, yaml_node_value(node, i), what, err) < 0)
            return -1;
    return 0;
}

void schema_texts_deinit(struct schema_texts *texts)
{
    vec_deinit(texts);
}

static int take_map_pair(const struct yaml_node *key, const struct yaml_node *value,
                         schema_pair_fn take, void *data, struct error *err)
{
    if (value->kind != YAML_SCALAR && value->kind != YAML_NULL)
        return yaml_node_error(value, err, "the value of '%s' must be text, not %s", key->text,
                               yaml_kind_name(value->kind));
    const struct origin origin = origin_node(key);
    return take(data, key->text, value->kind == YAML_NULL ? "" : value->text, &origin, err);
}

static int take_list_pair(const struct yaml_node *item, schema_pair_fn take, void *data,
                          struct error *err)
{
    const struct origin origin = origin_node(item);
    if (item->kind != YAML_SCALAR)
        return yaml_node_error(item, err, "KEY=VALUE is wanted here, not %s",
                               yaml_kind_name(item->kind));
    return schema_pair(item->text, &origin, take, data, err);
}

int schema_pairs(const struct yaml_node *node, schema_pair_fn take, void *data, struct error *err)
{
    if (node->kind == YAML_SCALAR)
        return yaml_node_error(node, err, "a map or a list of KEY=VALUE is wanted here, not text");

    for (size_t i = 0; i < yaml_node_count(node); i++) {
        const struct yaml_node *value = yaml_node_value(node, i);
        int r = node->kind == YAML_MAPPING
                    ? take_map_pair(yaml_node_key(node, i), value, take, data, err)
                    : take_list_pair(value, take, data, err);
        if (r < 0)
            return -1;
    }
    return 0;
}

int schema_pair(const char *text, const struct origin *origin, schema_pair_fn take, void *data,
                struct error *err)
{
    const char *equals = strchr(text, '=');
    if (!equals)
        return origin_error(origin, err, "'%s' is not of the form KEY=VALUE", text);
    _cleanup_free_ char *key = xstrndup(text, (size_t)(equals - text));
    return take(data, key, equals + 1, origin, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "config/env.h"

#include <string.h>

#include "config/schema.h"

int env_check_key(const char *key, const struct origin *origin, struct error *err)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    if (*key && strchr(letters, *key) && !key[strspn(key, all)])
        return 0;
    return origin_error(origin, err,
                        "'%s' cannot name a variable: use letters, digits and '_', "
                        "and no digit first",
                        key);
}

static struct setting *find(const struct settings *s, const char *key)
{
    for (size_t i = 0; i < s->environment.len; i++)
        if (strcmp(s->environment.items[i].key, key) == 0)
            return &s->environment.items[i].set;
    return NULL;
}

int env_set(struct settings *s, const char *key, const char *value, const struct origin *origin,
            struct error *err)
{
    if (env_check_key(key, origin, err) < 0)
        return -1;

    struct setting *set = find(s, key);
    if (!set) {
        struct env_setting *entry = vec_push(&s->environment);
        entry->key = xstrdup(key);
        set = &entry->set;
    }
    replace_str(&set->value, value);
    free(set->source);
    set->source = origin_source(origin);
    return 0;
}

static int take_pair(void *data, const char *key, const char *value, const struct origin *origin,
                     struct error *err)
{
    return env_set(data, key, value, origin, err);
}

int env_from_yaml(struct settings *s, const struct yaml_node *node, struct error *err)
{
    return schema_pairs(node, take_pair, s, err);
}

int env_from_text(struct settings *s, const char *text, const struct origin *origin,
                  struct error *err)
{
    return schema_pair(text, origin, take_pair, s, err);
}

void env_deinit(struct settings *s)
{
    for (size_t i = 0; i < s->environment.len; i++) {
        free(s->environment.items[i].key);
        free(s->environment.items[i].set.value);
        free(s->environment.items[i].set.source);
    }
    vec_deinit(&s->environment);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "config/own.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "config/schema.h"
#include "config/values.h"
#include "config/words.h"

typedef int (*decode_fn)(const struct setting_def *def, const char *text, void *slot,
                         const struct origin *origin, struct error *err);

static bool is_bounded(const struct setting_def *def)
{
    return def->min || def->max;
}

static int decode_bool(const struct setting_def *def _unused_, const char *text, void *slot,
                       const struct origin *origin, struct error *err)
{
    if (value_bool(text, slot) == 0)
        return 0;
    return origin_error(origin, err, "'%s' is neither true nor false", text);
}

static int decode_int(const struct setting_def *def, const char *text, void *slot,
                      const struct origin *origin, struct error *err)
{
    int64_t value;
    bool good = value_int(text, &value) == 0;
    if (is_bounded(def) && (!good || value < def->min || value > def->max))
        return origin_error(origin, err, "'%s' is not a number between %lld and %lld", text,
                            (long long)def->min, (long long)def->max);
    if (!good)
        return origin_error(origin, err, "'%s' is not a number", text);
    *(int64_t *)slot = value;
    return 0;
}

static int decode_size(const struct setting_def *def, const char *text, void *slot,
                       const struct origin *origin, struct error *err)
{
    uint64_t value;
    if (value_size(text, &value) < 0)
        return origin_error(origin, err, "'%s' is not a size: write it as 512m or 2g", text);
    /* Zero is no limit, whatever the least limit may be. */
    if (is_bounded(def) && value && (value < (uint64_t)def->min || value > (uint64_t)def->max)) {
        _cleanup_free_ char *min = value_size_text((uint64_t)def->min);
        return origin_error(origin, err, "'%s' is out of bounds: %s at least, or 0 for no limit",
                            text, min);
    }
    *(uint64_t *)slot = value;
    return 0;
}

static int decode_milli(const struct setting_def *def, const char *text, void *slot,
                        const struct origin *origin, struct error *err)
{
    uint64_t value;
    if (value_milli(text, &value) < 0)
        return origin_error(origin, err, "'%s' is not a number: write it as 2 or 1.5", text);
    /* Zero is no limit here too. */
    if (is_bounded(def) && value && (value < (uint64_t)def->min || value > (uint64_t)def->max))
        return origin_error(origin, err,
                            "'%s' is out of bounds: 0.%02lld at least and %lld at most", text,
                            (long long)def->min / 10, (long long)def->max / 1000);
    *(uint64_t *)slot = value;
    return 0;
}

static int decode_duration(const struct setting_def *def, const char *text, void *slot,
                           const struct origin *origin, struct error *err)
{
    nsec_t value;
    if (value_duration(text, &value) < 0)
        return origin_error(origin, err, "'%s' is not a time: write it as 90s, 5m or 1h30m", text);
    if (is_bounded(def) && (value < def->min || value > def->max)) {
        _cleanup_free_ char *min = value_duration_text(def->min);
        _cleanup_free_ char *max = value_duration_text(def->max);
        return origin_error(origin, err, "'%s' is out of bounds: between %s and %s", text, min,
                            max);
    }
    *(nsec_t *)slot = value;
    return 0;
}

static int decode_string(const struct setting_def *def _unused_, const char *text, void *slot,
                         const struct origin *origin, struct error *err)
{
    if (!*text)
        return origin_error(origin, err, "the value is empty");
    replace_str(slot, text);
    return 0;
}

static int decode_words(const struct setting_def *def _unused_, const char *text, void *slot,
                        const struct origin *origin, struct error *err)
{
    _cleanup_strvec_ struct strvec words = STRVEC_INIT;
    _cleanup_error_ struct error why = ERROR_INIT;
    if (provider_split_words(&words, text, &why) < 0)
        return origin_error(origin, err, "%s", why.message);
    if (words.len == 0)
        return origin_error(origin, err, "there is not a word here");
    struct strvec *out = slot;
    strvec_deinit(out);
    *out = words;
    words = STRVEC_INIT;
    return 0;
}

static int decode_enum(const struct setting_def *def, const char *text, void *slot,
                       const struct origin *origin, struct error *err)
{
    unsigned count = 0;
    for (; def->names[count]; count++) {
        if (strcmp(def->names[count], text) == 0) {
            static_assert(sizeof(enum pull_policy) == sizeof(count), "enums are as wide as that");
            memcpy(slot, &count, sizeof(count));
            return 0;
        }
    }
    return origin_unknown(origin, err, "value", text, def->names, count);
}

static int decode_bool_enum(const struct setting_def *def, const char *text, void *slot,
                            const struct origin *origin, struct error *err)
{
    bool truth;
    if (value_bool(text, &truth) == 0)
        text = def->names[truth];
    return decode_enum(def, text, slot, origin, err);
}

static const decode_fn decoders[] = {
    [SETTING_BOOL] = decode_bool,           [SETTING_INT] = decode_int,
    [SETTING_SIZE] = decode_size,           [SETTING_MILLI] = decode_milli,
    [SETTING_DURATION] = decode_duration,   [SETTING_STRING] = decode_string,
    [SETTING_WORDS] = decode_words,         [SETTING_ENUM] = decode_enum,
    [SETTING_BOOL_ENUM] = decode_bool_enum,
};

static struct setting *source_slot(struct settings *s, const struct setting_def *def)
{
    return &s->own_sources[def - setting_defs];
}

static void *value_slot(struct settings *s, const struct setting_def *def)
{
    return (char *)&s->own + def->offset;
}

int own_set(struct settings *s, const struct setting_def *def, const char *text,
            const struct origin *origin, struct error *err)
{
    if (decoders[def->type](def, text, value_slot(s, def), origin, err) < 0)
        return -1;

    struct setting *said = source_slot(s, def);
    replace_str(&said->value, text);
    free(said->source);
    said->source = origin_source(origin);
    return 0;
}

void own_init(struct settings *s)
{
    const struct origin built_in = {.name = "default", .kind = ERROR_INTERNAL};
    s->own_sources = xcalloc(setting_def_count, sizeof(*s->own_sources));
    for (size_t i = 0; i < setting_def_count; i++) {
        const struct setting_def *def = &setting_defs[i];
        if (def->fallback) {
            int r = own_set(s, def, def->fallback, &built_in, NULL);
            assert(r == 0);
            (void)r;
        } else {
            s->own_sources[i] = (struct setting){xstrdup(""), xstrdup("default")};
        }
    }
}

void own_deinit(struct settings *s)
{
    for (size_t i = 0; i < setting_def_count; i++) {
        if (setting_defs[i].type == SETTING_STRING)
            replace_str(value_slot(s, &setting_defs[i]), NULL);
        else if (setting_defs[i].type == SETTING_WORDS)
            strvec_deinit(value_slot(s, &setting_defs[i]));
        if (s->own_sources) {
            free(s->own_sources[i].value);
            free(s->own_sources[i].source);
        }
    }
    free(s->own_sources);
    s->own_sources = NULL;
}

const struct setting_def *own_by_flag(const char *flag)
{
    for (size_t i = 0; i < setting_def_count; i++)
        if (strcmp(setting_defs[i].flag, flag) == 0)
            return &setting_defs[i];
    return NULL;
}

/* A list is kept as one would type it. */
static int take_words(struct settings *s, const struct setting_def *def,
                      const struct yaml_node *list, struct error *err)
{
    _cleanup_(schema_texts_deinit) struct schema_texts texts = {0};
    const struct origin origin = origin_node(list);
    if (schema_texts(list, "a word", &texts, err) < 0)
        return -1;
    _cleanup_strvec_ struct strvec words = STRVEC_INIT;
    for (size_t i = 0; i < texts.len; i++)
        strvec_push(&words, texts.items[i].node->text);
    _cleanup_free_ char *text = words_join(&words);
    return own_set(s, def, text, &origin, err);
}

static int take_value(void *data, const struct schema_key *row, const struct yaml_node *key,
                      const struct yaml_node *value, struct error *err)
{
    const struct setting_def *def = row->fact;
    const struct origin origin = origin_node(value);
    if (value->kind == YAML_NULL)
        return 0; /* nothing said: a lower layer's value stands */
    if (value->kind == YAML_SEQUENCE && def->type == SETTING_WORDS)
        return take_words(data, def, value, err);
    if (value->kind != YAML_SCALAR)
        return origin_error(&origin, err, "the value of '%s' must be text, not %s", key->text,
                            yaml_kind_name(value->kind));
    if (value->quoted && (def->type == SETTING_BOOL || def->type == SETTING_INT))
        return origin_error(&origin, err, "'%s' wants %s, not text: write it without quotes",
                            key->text, def->type == SETTING_BOOL ? "true or false" : "a number");
    return own_set(data, def, value->text, &origin, err);
}

/* The rows directly below a prefix ("" or "timeouts"), a nested map counting as one. */
struct key_rows {
    struct schema_key *items;
    size_t len, cap;
    struct strvec names; /* of nested maps */
};

static void key_rows_deinit(struct key_rows *rows)
{
    vec_deinit(rows);
    strvec_deinit(&rows->names);
}

static int take_map(void *data, const struct schema_key *row, const struct yaml_node *key,
                    const struct yaml_node *value, struct error *err);

static void collect_rows(const char *prefix, struct key_rows *rows)
{
    size_t skip = strlen(prefix);
    for (size_t i = 0; i < setting_def_count; i++) {
        const char *key = setting_defs[i].key;
        if (strncmp(key, prefix, skip) != 0)
            continue;
        const char *dot = strchr(key + skip, '.');
        if (!dot) {
            *vec_push(rows) = (struct schema_key){key + skip, take_value, &setting_defs[i]};
            continue;
        }
        _cleanup_free_ char *name = xstrndup(key + skip, (size_t)(dot - key) - skip);
        if (strvec_contains(&rows->names, name))
            continue;
        strvec_push(&rows->names, name);
        *vec_push(rows) = (struct schema_key){rows->names.items[rows->names.len - 1], take_map,
                                              NULL};
    }
}

static int take_nothing(void *data _unused_, const struct schema_key *row _unused_,
                        const struct yaml_node *key _unused_,
                        const struct yaml_node *value _unused_, struct error *err _unused_)
{
    return 0; /* not ours: see define.h */
}

static int read_map(struct settings *s, const char *prefix, const struct yaml_node *map,
                    struct error *err)
{
    _cleanup_(key_rows_deinit) struct key_rows rows = {0};
    collect_rows(prefix, &rows);
    if (!*prefix)
        *vec_push(&rows) = (struct schema_key){"services", take_nothing, NULL};
    return schema_map(map, rows.items, rows.len, "key", s, err);
}

/* One level is all there is: the key is the whole prefix. */
static int take_map(void *data, const struct schema_key *row, const struct yaml_node *key _unused_,
                    const struct yaml_node *value, struct error *err)
{
    _cleanup_free_ char *prefix = xasprintf("%s.", row->key);
    return read_map(data, prefix, value, err);
}

int own_from_yaml(struct settings *s, const struct yaml_node *map, struct error *err)
{
    return read_map(s, "", map, err);
}

char *own_variable(const struct setting_def *def)
{
    char *name = xasprintf("CLEANROOM_%s", def->flag);
    for (char *p = name; *p; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    return name;
}

static const char *get_variable(const char *const *environment, const char *name)
{
    size_t len = strlen(name);
    for (; environment && *environment; environment++)
        if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
            return *environment + len + 1;
    return NULL;
}

int own_from_environ(struct settings *s, const char *const *environment, struct error *err)
{
    for (size_t i = 0; i < setting_def_count; i++) {
        _cleanup_free_ char *name = own_variable(&setting_defs[i]);
        const char *value = get_variable(environment, name);
        const struct origin origin = origin_variable(name);
        if (value && *value && own_set(s, &setting_defs[i], value, &origin, err) < 0)
            return -1;
    }
    return 0;
}

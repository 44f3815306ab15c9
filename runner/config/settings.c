/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layers, applied from the lowest to the highest: each overwrites what it speaks of. So every
 * value is checked, also one that a higher layer replaces.
 */
#include "config/settings.h"

#include <ctype.h>
#include <string.h>

#include "config/define.h"
#include "config/env.h"
#include "config/layers.h"
#include "config/own.h"
#include "config/schema.h"
#include "config/services.h"

#define APPLICATION_ID_MAX 64

struct merge {
    struct settings *out;
    struct services services;
    bool services_by_flag; /* the command line has begun its own list */
};

static void merge_init(struct merge *m, struct settings *out)
{
    *m = (struct merge){.out = out};
    services_init(&m->services);
}

static void merge_deinit(struct merge *m)
{
    services_deinit(&m->services);
}

static bool is_id_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-';
}

/* It becomes part of file and database names. */
static bool is_application_id(const char *id)
{
    size_t len = 0;
    while (is_id_char(id[len]))
        len++;
    return isalnum((unsigned char)*id) && !id[len] && len <= APPLICATION_ID_MAX;
}

static int set_application_id(struct settings *s, const char *id, const struct origin *origin,
                              struct error *err)
{
    if (!is_application_id(id))
        return origin_error(origin, err,
                            "'%s' cannot be an application id: use letters, digits, '_', '.' "
                            "and '-', %d at most, and a letter or digit first",
                            id, APPLICATION_ID_MAX);
    replace_str(&s->application_id.value, id);
    free(s->application_id.source);
    s->application_id.source = origin_source(origin);
    return 0;
}

/* The directory's base name, made usable. */
static void default_application_id(struct settings *s, const char *directory)
{
    _cleanup_strbuf_ struct strbuf id = STRBUF_INIT;
    size_t end = strlen(directory);
    while (end && directory[end - 1] == '/')
        end--;
    size_t start = end;
    while (start && directory[start - 1] != '/')
        start--;
    for (; start < end && id.len < APPLICATION_ID_MAX; start++) {
        bool first = id.len == 0;
        if (is_id_char(directory[start]) && (!first || isalnum((unsigned char)directory[start])))
            strbuf_addc(&id, directory[start]);
        else if (!first)
            strbuf_addc(&id, '-');
    }
    s->application_id = (struct setting){xstrdup(id.len ? id.buf : "app"), xstrdup("default")};
}

static int take_services(void *data, const struct schema_key *row _unused_,
                         const struct yaml_node *key _unused_, const struct yaml_node *value,
                         struct error *err)
{
    struct merge *m = data;
    return services_from_yaml(&m->services, value, err);
}

static int take_environment(void *data, const struct schema_key *row _unused_,
                            const struct yaml_node *key _unused_, const struct yaml_node *value,
                            struct error *err)
{
    struct merge *m = data;
    return env_from_yaml(m->out, value, err);
}

static int take_application_id(void *data, const struct schema_key *row _unused_,
                               const struct yaml_node *key _unused_, const struct yaml_node *value,
                               struct error *err)
{
    struct merge *m = data;
    const struct origin origin = origin_node(value);
    if (value->kind == YAML_NULL)
        return 0;
    if (value->kind != YAML_SCALAR)
        return origin_error(&origin, err, "the application id must be text, not %s",
                            yaml_kind_name(value->kind));
    return set_application_id(m->out, value->text, &origin, err);
}

static int take_own(void *data, const struct schema_key *row _unused_,
                    const struct yaml_node *key _unused_, const struct yaml_node *value,
                    struct error *err)
{
    struct merge *m = data;
    return own_from_yaml(m->out, value, err);
}

static int take_overrides(void *data, const struct schema_key *row, const struct yaml_node *key,
                          const struct yaml_node *value, struct error *err)
{
    struct merge *m = data;
    struct known_service *service = services_find(&m->services, row->key);
    const struct yaml_node *seen = service->seen;
    if (seen)
        return yaml_node_error(key, err, "'%s' is another name of '%s', which is on line %zu",
                               key->text, seen->text, seen->line);
    service->seen = key;
    return services_overrides_from_yaml(service, value, err);
}

static const struct schema_key file_keys[] = {
    {"services", take_services, NULL},
    {"environment", take_environment, NULL},
    {"application_id", take_application_id, NULL},
    {"cleanroom", take_own, NULL},
};

struct file_rows {
    struct schema_key *items;
    size_t len, cap;
};

static void file_rows_deinit(struct file_rows *rows)
{
    vec_deinit(rows);
}

/* The fixed keys, then every service by each of its names. */
static void collect_file_rows(const struct services *services, struct file_rows *rows)
{
    for (size_t i = 0; i < ARRAY_SIZE(file_keys); i++)
        *vec_push(rows) = file_keys[i];
    for (size_t i = 0; i < services->known.len; i++)
        *vec_push(rows) = (struct schema_key){services->known.items[i]->name, take_overrides, NULL};
    for (size_t i = 0; i < provider_count; i++)
        if (providers[i]->alias)
            *vec_push(rows) = (struct schema_key){providers[i]->alias, take_overrides, NULL};
}

/* Before all else: the file's other keys, wherever they stand, speak of what it defines. */
static int apply_definitions(struct merge *m, const struct yaml_node *root, struct error *err)
{
    const char *taken[ARRAY_SIZE(file_keys) + 1] = {0};
    for (size_t i = 0; i < ARRAY_SIZE(file_keys); i++)
        taken[i] = file_keys[i].key;
    for (size_t i = 0; i < m->services.known.len; i++)
        m->services.known.items[i]->seen = NULL;
    const struct yaml_node *own = yaml_node_get(root, "cleanroom");
    const struct yaml_node *map = own ? yaml_node_get(own, "services") : NULL;
    return map ? define_services(&m->services, map, taken, err) : 0;
}

/* Accepts NULL: no such file. */
static int apply_tree(struct merge *m, const struct yaml_tree *tree, struct error *err)
{
    if (!tree)
        return 0;

    _cleanup_(file_rows_deinit) struct file_rows rows = {0};
    if (apply_definitions(m, yaml_tree_root(tree), err) < 0)
        return -1;
    collect_file_rows(&m->services, &rows);
    return schema_map(yaml_tree_root(tree), rows.items, rows.len, "key", m, err);
}

static int apply_project_file(struct merge *m, const struct settings_input *in, struct error *err)
{
    _cleanup_yaml_ struct yaml_tree *tree = NULL;
    if (layers_project(in, &tree, err) < 0)
        return -1;
    return apply_tree(m, tree, err);
}

static int apply_user_file(struct merge *m, const struct settings_input *in, const char *name,
                           struct error *err)
{
    _cleanup_yaml_ struct yaml_tree *tree = NULL;
    if (layers_user(in, name, &tree, err) < 0)
        return -1;
    return apply_tree(m, tree, err);
}

static int flag_application_id(struct merge *m, const char *value, const struct origin *origin,
                               struct error *err)
{
    return set_application_id(m->out, value, origin, err);
}

/* "a,b"; repeated flags add up. */
static int flag_services(struct merge *m, const char *value, const struct origin *origin,
                         struct error *err)
{
    if (!m->services_by_flag)
        services_clear(&m->services);
    m->services_by_flag = true;

    _cleanup_strvec_ struct strvec names = STRVEC_INIT;
    strvec_split(&names, value, ", ");
    for (size_t i = 0; i < names.len; i++)
        if (services_request(&m->services, names.items[i], origin, err) < 0)
            return -1;
    return 0;
}

static int flag_environment(struct merge *m, const char *value, const struct origin *origin,
                            struct error *err)
{
    return env_from_text(m->out, value, origin, err);
}

static const struct {
    const char *name;
    int (*take)(struct merge *, const char *, const struct origin *, struct error *);
} flags[] = {
    {"application-id", flag_application_id},
    {"services", flag_services},
    {"environment", flag_environment},
};

static int apply_dotted_flag(struct merge *m, const struct cli_value *said,
                             const struct origin *origin, struct error *err)
{
    static const char environment[] = "environment.";
    size_t len = strlen(environment);
    if (strncmp(said->name, environment, len) == 0)
        return env_set(m->out, said->name + len, said->value, origin, err);
    return services_override_from_flag(&m->services, said->name, said->value, origin, err);
}

static int apply_flag(struct merge *m, const struct cli_value *said, struct error *err)
{
    _cleanup_free_ char *shown = xasprintf("--%s", said->name);
    const struct origin origin = origin_flag(shown);
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        if (strcmp(flags[i].name, said->name) == 0)
            return flags[i].take(m, said->value, &origin, err);
    if (strchr(said->name, '.'))
        return apply_dotted_flag(m, said, &origin, err);

    const struct setting_def *def = own_by_flag(said->name);
    if (!def)
        return error_set(err, ERROR_USAGE, "unknown option '%s'", shown);
    return own_set(m->out, def, said->value, &origin, err);
}

static int apply_flags(struct merge *m, const struct settings_input *in, const char *only,
                       struct error *err)
{
    for (size_t i = 0; i < in->cli_count; i++)
        if (!only || strcmp(in->cli[i].name, only) == 0)
            if (apply_flag(m, &in->cli[i], err) < 0)
                return -1;
    return 0;
}

/* The user's project file is named by the application id, as all but itself say it. */
static int apply_user_files(struct merge *m, const struct settings_input *in, struct error *err)
{
    if (!layers_user_allowed(in))
        return 0;
    if (apply_user_file(m, in, "_default", err) < 0)
        return -1;
    if (apply_flags(m, in, "application-id", err) < 0)
        return -1;
    _cleanup_free_ char *id = xstrdup(m->out->application_id.value);
    return strcmp(id, "_default") == 0 ? 0 : apply_user_file(m, in, id, err);
}

static int apply_layers(struct merge *m, const struct settings_input *in, struct error *err)
{
    own_init(m->out);
    default_application_id(m->out, in->directory);
    if (apply_project_file(m, in, err) < 0)
        return -1;
    if (apply_user_files(m, in, err) < 0)
        return -1;
    if (own_from_environ(m->out, in->environ, err) < 0)
        return -1;
    return apply_flags(m, in, NULL, err);
}

static void take_target(struct settings *s, const struct settings_input *in)
{
    if (in->image)
        s->image = (struct setting){xstrdup(in->image), xstrdup("command line")};
    for (const char *const *arg = in->test_args; arg && *arg; arg++)
        strvec_push(&s->test_args, *arg);
}

int settings_load(struct settings *out, const struct settings_input *in, struct error *err)
{
    *out = (struct settings){0};
    _cleanup_(merge_deinit) struct merge m;
    merge_init(&m, out);
    if (apply_layers(&m, in, err) < 0) {
        settings_deinit(out);
        return -1;
    }
    services_finish(&m.services, out);
    take_target(out, in);
    return 0;
}

void settings_deinit(struct settings *s)
{
    free(s->image.value);
    free(s->image.source);
    strvec_deinit(&s->test_args);
    free(s->application_id.value);
    free(s->application_id.source);
    for (size_t i = 0; i < s->services.len; i++)
        service_setting_deinit(&s->services.items[i]);
    vec_deinit(&s->services);
    env_deinit(s);
    own_deinit(s);
    free(s->plan_output);
    free(s->plan_input);
    *s = (struct settings){0};
}

bool settings_want_color(const struct settings *s, int fd)
{
    if (s->own.color != COLOR_AUTO)
        return s->own.color == COLOR_ALWAYS;
    return isatty(fd) && !getenv("NO_COLOR");
}

struct engine_options settings_engine(const struct settings *s)
{
    return (struct engine_options){.engine = s->own.engine,
                                   .host = s->own.host,
                                   .context = s->own.context,
                                   .network = s->own.network,
                                   .scratch_on_disk = s->own.scratch == SCRATCH_DISK,
                                   .image_cache = s->own.image_cache};
}

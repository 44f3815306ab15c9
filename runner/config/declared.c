/* SPDX-License-Identifier: Apache-2.0 */
#include "config/declared.h"

#include <string.h>

#include "config/env.h"
#include "config/values.h"

int declared_check(const struct declaration *d, const char *text, const struct origin *origin,
                   struct error *err)
{
    const char *const *names = declaration_placeholders();
    _cleanup_free_ char *unknown = NULL;
    size_t count = 0;

    if (declaration_check(d, text, &unknown) == 0)
        return 0;
    if (!unknown)
        return origin_error(origin, err,
                            "a placeholder, '${', is not closed ('$$' is a dollar by itself)");
    while (names[count] && strcmp(names[count], unknown) != 0)
        count++;
    if (names[count])
        return origin_error(origin, err, "there is no '${%s}': the service has %zu port%s", unknown,
                            declaration_ports(d), declaration_ports(d) == 1 ? "" : "s");
    /* Of the ports only those that it has. */
    return origin_unknown(origin, err, "placeholder", unknown, names,
                          count - SERVICE_PORTS + declaration_ports(d));
}

static int check_node(const struct declaration *d, const struct yaml_node *node, struct error *err)
{
    const struct origin origin = origin_node(node);
    return declared_check(d, node->text, &origin, err);
}

/* --- ports and tmpfs ------------------------------------------------------------------------- */

static int take_port(struct declaration *d, const struct yaml_node *node, struct error *err)
{
    int64_t port;
    size_t count = declaration_ports(d);
    if (value_int(node->text, &port) < 0 || port < 1 || port > UINT16_MAX)
        return yaml_node_error(node, err, "'%s' is not a port: a number between 1 and 65535",
                               node->text);
    if (count == SERVICE_PORTS)
        return yaml_node_error(node, err, "a service has %d ports at most", SERVICE_PORTS);
    for (size_t i = 0; i < count; i++)
        if (d->ports[i] == port)
            return yaml_node_error(node, err, "port %d is given twice", (int)port);
    d->ports[count] = (uint16_t)port;
    return 0;
}

static int take_ports(struct declaration *d, const struct yaml_node *map, struct error *err)
{
    const struct yaml_node *one = yaml_node_get(map, "port"), *all = yaml_node_get(map, "ports");
    _cleanup_(schema_texts_deinit) struct schema_texts texts = {0};
    if (one && all)
        return yaml_node_error(all, err, "either 'port' or 'ports', of which the first is ${port}");
    if (one && one->kind == YAML_SEQUENCE)
        return yaml_node_error(one, err, "a port is wanted here, not a list: that is 'ports'");
    if ((one || all) && schema_texts(one ? one : all, "a port", &texts, err) < 0)
        return -1;
    for (size_t i = 0; i < texts.len; i++)
        if (take_port(d, texts.items[i].node, err) < 0)
            return -1;
    return 0;
}

static int take_tmpfs(struct declaration *d, const struct yaml_node *node, struct error *err)
{
    _cleanup_(schema_texts_deinit) struct schema_texts texts = {0};
    if (node && schema_texts(node, "a path", &texts, err) < 0)
        return -1;
    for (size_t i = 0; i < texts.len; i++) {
        const char *path = texts.items[i].node->text;
        if (*path != '/')
            return yaml_node_error(texts.items[i].node, err,
                                   "'%s' is not an absolute path, perhaps with ':size=64m'", path);
        strvec_push(&d->tmpfs, path);
    }
    return 0;
}

int declared_begin(struct declaration *d, const struct yaml_node *map, struct error *err)
{
    if (take_ports(d, map, err) < 0)
        return -1;
    return take_tmpfs(d, yaml_node_get(map, "tmpfs"), err);
}

static int take_nothing(void *data _unused_, const struct schema_key *row _unused_,
                        const struct yaml_node *key _unused_,
                        const struct yaml_node *value _unused_, struct error *err _unused_)
{
    return 0; /* declared_begin() has read it */
}

/* --- words ----------------------------------------------------------------------------------- */

/* A list of words, or a text that is split as a shell does. */
static int take_words(const struct declaration *d, const struct yaml_node *node, struct strvec *out,
                      struct error *err)
{
    _cleanup_(schema_texts_deinit) struct schema_texts texts = {0};
    if (schema_texts(node, "a word", &texts, err) < 0)
        return -1;
    for (size_t i = 0; i < texts.len; i++) {
        const struct yaml_node *text = texts.items[i].node;
        _cleanup_error_ struct error why = ERROR_INIT;
        if (check_node(d, text, err) < 0)
            return -1;
        if (node->kind == YAML_SEQUENCE)
            strvec_push(out, text->text);
        else if (provider_split_words(out, text->text, &why) < 0)
            return yaml_node_error(text, err, "%s", why.message);
    }
    if (out->len == 0)
        return yaml_node_error(node, err, "there is not a word here");
    return 0;
}

static int take_entrypoint(void *data, const struct schema_key *row _unused_,
                           const struct yaml_node *key _unused_, const struct yaml_node *value,
                           struct error *err)
{
    struct declaration *d = data;
    return take_words(d, value, &d->entrypoint, err);
}

/* --- files ----------------------------------------------------------------------------------- */

static bool has_dots(const char *path)
{
    for (; *path; path += strcspn(path, "/")) {
        path += strspn(path, "/");
        size_t len = strcspn(path, "/");
        if ((len == 1 && path[0] == '.') || (len == 2 && memcmp(path, "..", 2) == 0))
            return true;
    }
    return false;
}

static bool is_file_path(const char *path)
{
    size_t len = strlen(path);
    return *path == '/' && len > 1 && path[len - 1] != '/' && !strstr(path, "//") &&
           !has_dots(path);
}

/* The tmpfs below which a path is, or NULL. */
static const char *tmpfs_over(const struct declaration *d, const char *path)
{
    for (size_t i = 0; i < d->tmpfs.len; i++) {
        size_t len = strcspn(d->tmpfs.items[i], ":");
        while (len > 1 && d->tmpfs.items[i][len - 1] == '/')
            len--;
        if (strncmp(path, d->tmpfs.items[i], len) == 0 && path[len] == '/')
            return d->tmpfs.items[i];
    }
    return NULL;
}

static int take_file(struct declaration *d, const struct yaml_node *key,
                     const struct yaml_node *value, struct error *err)
{
    const char *over = tmpfs_over(d, key->text);
    if (!is_file_path(key->text))
        return yaml_node_error(key, err, "'%s' is not the absolute path of a file", key->text);
    if (over)
        return yaml_node_error(key, err, "'%s' would be hidden by the tmpfs '%s'", key->text, over);
    if (value->kind != YAML_SCALAR && value->kind != YAML_NULL)
        return yaml_node_error(value, err, "the content of a file must be text, not %s",
                               yaml_kind_name(value->kind));
    if (value->kind == YAML_SCALAR && check_node(d, value, err) < 0)
        return -1;
    strvec_push(&d->files, key->text);
    strvec_push(&d->files, value->kind == YAML_SCALAR ? value->text : "");
    return 0;
}

static int take_files(void *data, const struct schema_key *row _unused_,
                      const struct yaml_node *key _unused_, const struct yaml_node *value,
                      struct error *err)
{
    if (value->kind != YAML_MAPPING && value->kind != YAML_NULL)
        return yaml_node_error(value, err, "a map of PATH: TEXT is wanted here, not %s",
                               yaml_kind_name(value->kind));
    for (size_t i = 0; i < yaml_node_count(value); i++)
        if (take_file(data, yaml_node_key(value, i), yaml_node_value(value, i), err) < 0)
            return -1;
    return 0;
}

/* --- the app's environment ------------------------------------------------------------------- */

static int take_variable(void *data, const char *key, const char *value,
                         const struct origin *origin, struct error *err)
{
    struct declaration *d = data;
    if (env_check_key(key, origin, err) < 0 || declared_check(d, value, origin, err) < 0)
        return -1;
    strvec_setenv(&d->app_env, key, value);
    return 0;
}

static int take_app_environment(void *data, const struct schema_key *row _unused_,
                                const struct yaml_node *key _unused_, const struct yaml_node *value,
                                struct error *err)
{
    return schema_pairs(value, take_variable, data, err);
}

/* --- the probe ------------------------------------------------------------------------------- */

static int check_text(const struct yaml_node *value, const char *what, struct error *err)
{
    if (value->kind != YAML_SCALAR || !*value->text)
        return yaml_node_error(
            value, err, "%s is wanted here, not %s", what,
            yaml_kind_name(value->kind == YAML_SCALAR ? YAML_NULL : value->kind));
    if (strpbrk(value->text, "\r\n"))
        return yaml_node_error(value, err, "%s must be a single line", what);
    return 0;
}

static int probe_http(void *data, const struct schema_key *row _unused_,
                      const struct yaml_node *key _unused_, const struct yaml_node *value,
                      struct error *err)
{
    struct declaration *d = data;
    if (check_text(value, "a path", err) < 0)
        return -1;
    if (*value->text != '/' || value->text[strcspn(value->text, " \t")])
        return yaml_node_error(value, err, "'%s' is not a path: write it as /health", value->text);
    d->ready = DECLARATION_HTTP;
    replace_str(&d->ready_arg, value->text);
    return 0;
}

static int probe_log(void *data, const struct schema_key *row _unused_,
                     const struct yaml_node *key _unused_, const struct yaml_node *value,
                     struct error *err)
{
    struct declaration *d = data;
    if (check_text(value, "a text of its output", err) < 0 || check_node(d, value, err) < 0)
        return -1;
    d->ready = DECLARATION_LOG;
    replace_str(&d->ready_arg, value->text);
    return 0;
}

static int probe_exec(void *data, const struct schema_key *row _unused_,
                      const struct yaml_node *key _unused_, const struct yaml_node *value,
                      struct error *err)
{
    struct declaration *d = data;
    d->ready = DECLARATION_EXEC;
    return take_words(d, value, &d->ready_words, err);
}

static const struct schema_key probe_keys[] = {
    {"http", probe_http, NULL},
    {"exec", probe_exec, NULL},
    {"log", probe_log, NULL},
    {"status", take_nothing, NULL}, /* read after the path it belongs to */
};

static int probe_status(struct declaration *d, const struct yaml_node *node, struct error *err)
{
    int64_t status;
    if (d->ready != DECLARATION_HTTP)
        return yaml_node_error(node, err, "a status is what 'http' answers");
    if (node->kind != YAML_SCALAR || value_int(node->text, &status) < 0 || status < 100 ||
        status > 599)
        return yaml_node_error(node, err, "a status is a number between 100 and 599");
    char *arg = xasprintf("%s %d", d->ready_arg, (int)status);
    free(d->ready_arg);
    d->ready_arg = arg;
    return 0;
}

static int probe_word(const struct yaml_node *value, struct error *err)
{
    static const char *const words[] = {"tcp", "http", "exec", "log"};
    const struct origin origin = origin_node(value);
    if (strcmp(value->text, "tcp") == 0)
        return 0;
    for (size_t i = 1; i < ARRAY_SIZE(words); i++)
        if (strcmp(value->text, words[i]) == 0)
            return yaml_node_error(value, err, "which %s? Write it as {%s: %s}",
                                   i == 1   ? "path"
                                   : i == 2 ? "words"
                                            : "text",
                                   words[i],
                                   i == 1   ? "/health"
                                   : i == 2 ? "[mysqladmin, ping]"
                                            : "ready to serve");
    return origin_unknown(&origin, err, "probe", value->text, words, ARRAY_SIZE(words));
}

static int take_probe(void *data, const struct schema_key *row _unused_,
                      const struct yaml_node *key _unused_, const struct yaml_node *value,
                      struct error *err)
{
    struct declaration *d = data;
    const struct yaml_node *status = yaml_node_get(value, "status");
    if (value->kind == YAML_SCALAR)
        return probe_word(value, err);
    if (schema_map(value, probe_keys, ARRAY_SIZE(probe_keys), "probe", data, err) < 0)
        return -1;
    if (status && probe_status(d, status, err) < 0)
        return -1;
    if (yaml_node_count(value) > 1 + (status != NULL))
        return yaml_node_error(value, err, "one probe only: 'http', 'exec' or 'log'");
    return 0;
}

/* --------------------------------------------------------------------------------------------- */

const struct schema_key declared_keys[] = {
    {"port", take_nothing, NULL},  {"ports", take_nothing, NULL},
    {"tmpfs", take_nothing, NULL}, {"entrypoint", take_entrypoint, NULL},
    {"files", take_files, NULL},   {"app_environment", take_app_environment, NULL},
    {"probe", take_probe, NULL},
};
const size_t declared_key_count = ARRAY_SIZE(declared_keys);

int declared_end(struct declaration *d, const struct yaml_node *map, struct error *err)
{
    bool asked = d->ready == DECLARATION_TCP || d->ready == DECLARATION_HTTP;
    if (asked && !d->ports[0])
        return yaml_node_error(map, err,
                               "a 'port' is wanting, at which '%s' can be asked whether it is "
                               "ready (or a 'probe' of another kind)",
                               d->name);
    declaration_finish(d);
    return 0;
}

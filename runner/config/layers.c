/* SPDX-License-Identifier: Apache-2.0 */
#include "config/layers.h"

#include <errno.h>
#include <string.h>

#include <cleanroom/strbuf.h>

/* The value of a variable that says something, or NULL. */
static const char *get(const struct settings_input *in, const char *name)
{
    size_t len = strlen(name);
    for (const char *const *e = in->environ; e && *e; e++)
        if (strncmp(*e, name, len) == 0 && (*e)[len] == '=')
            return (*e)[len + 1] ? *e + len + 1 : NULL;
    return NULL;
}

/* name: how messages call the file. */
static int read_tree(const char *path, const char *name, struct yaml_tree **out, struct error *err)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    if (strbuf_read_file(&text, path, YAML_MAX_BYTES) < 0) {
        if (errno == EFBIG)
            return error_set(err, ERROR_CONFIG, "'%s' is longer than 1 MiB", name);
        return error_set_errno(err, ERROR_CONFIG, errno, "cannot read '%s'", name);
    }
    *out = yaml_tree_parse(name, text.buf, text.len, err);
    return *out ? 0 : -1;
}

static int read_optional(const char *path, const char *name, struct yaml_tree **out,
                         struct error *err)
{
    *out = NULL;
    if (access(path, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    return read_tree(path, name, out, err);
}

int layers_project(const struct settings_input *in, struct yaml_tree **out, struct error *err)
{
    const char *name = in->project_file ? in->project_file : LAYERS_PROJECT_FILE;
    _cleanup_free_ char *path = *name == '/' ? xstrdup(name)
                                             : xasprintf("%s/%s", in->directory, name);
    *out = NULL;
    if (!in->project_file)
        return read_optional(path, name, out, err);
    if (read_tree(path, name, out, err) < 0)
        return access(path, F_OK) < 0 ? error_wrap(err, "--file") : -1;
    return 0;
}

bool layers_user_allowed(const struct settings_input *in)
{
    const char *ci = get(in, "CI");
    return !in->no_user_config && !(ci && strcasecmp(ci, "true") == 0);
}

int layers_user(const struct settings_input *in, const char *name, struct yaml_tree **out,
                struct error *err)
{
    const char *xdg = get(in, "XDG_CONFIG_HOME"), *home = get(in, "HOME");
    _cleanup_free_ char *base = NULL;
    *out = NULL;
    /* The base directory specification: a relative path there is to be ignored. */
    if (xdg && *xdg == '/')
        base = xstrdup(xdg);
    else if (home)
        base = xasprintf("%s/.config", home);
    if (!base)
        return 0;

    _cleanup_free_ char *path = xasprintf("%s/forklift/%s.yaml", base, name);
    return read_optional(path, path, out, err);
}

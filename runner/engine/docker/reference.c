/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/docker/reference.h"

#include <string.h>

static const char hex[] = "0123456789abcdef";
static const char allowed[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@";

void reference_deinit(struct reference *ref)
{
    free(ref->domain);
    free(ref->name);
    free(ref->tag);
    free(ref->lookup);
    *ref = (struct reference){0};
}

static bool looks_like_id(const char *text)
{
    if (strncmp(text, "sha256:", 7) == 0)
        return true;
    return strlen(text) == 64 && strspn(text, hex) == 64;
}

/* The first component is a host if it could not be a user's name on Docker Hub. */
static size_t domain_length(const char *text, size_t len)
{
    const char *slash = memchr(text, '/', len);
    if (!slash)
        return 0;
    size_t n = (size_t)(slash - text);
    if (memchr(text, '.', n) || memchr(text, ':', n) || (n == 9 && !strncmp(text, "localhost", 9)))
        return n;
    return 0;
}

static void split_name(struct reference *out, const char *text, size_t len)
{
    size_t n = domain_length(text, len);
    if (n == 15 && strncmp(text, "index.docker.io", n) == 0)
        out->domain = xstrdup("docker.io");
    else
        out->domain = n ? xstrndup(text, n) : xstrdup("docker.io");
    const char *path = n ? text + n + 1 : text;
    int path_len = (int)(len - (size_t)(path - text));
    bool official = strcmp(out->domain, "docker.io") == 0 && !memchr(path, '/', (size_t)path_len);
    out->name = xasprintf("%s/%s%.*s", out->domain, official ? "library/" : "", path_len, path);
}

static bool plausible(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len > 512 || strspn(text, allowed) != len)
        return false;
    return !strchr("/:@.-", text[0]) && !strchr("/:@", text[len - 1]) && !strstr(text, "//");
}

int reference_parse(struct reference *out, const char *text, struct error *err)
{
    *out = (struct reference){0};
    if (!plausible(text))
        return error_set(err, ERROR_CONFIG,
                         "'%s' is no image reference: write NAME, NAME:TAG or NAME@sha256:DIGEST",
                         text);
    if (looks_like_id(text)) {
        out->is_id = true;
        out->lookup = xstrdup(text);
        return 0;
    }

    const char *at = strchr(text, '@');
    size_t len = at ? (size_t)(at - text) : strlen(text);
    const char *colon = memrchr(text, ':', len);
    if (colon && memchr(colon, '/', len - (size_t)(colon - text)))
        colon = NULL; /* a port */
    size_t name_len = colon ? (size_t)(colon - text) : len;
    split_name(out, text, name_len);
    if (at)
        out->tag = xstrdup(at + 1);
    else
        out->tag = colon ? xstrdup(colon + 1) : xstrdup("latest");
    out->lookup = at ? xasprintf("%.*s%s", (int)name_len, text, at) : xstrdup(text);
    return 0;
}

char *reference_familiar(const char *name)
{
    static const char *const prefixes[] = {"docker.io/library/", "docker.io/"};
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        size_t len = strlen(prefixes[i]);
        if (strncmp(name, prefixes[i], len) == 0)
            return xstrdup(name + len);
    }
    return xstrdup(name);
}

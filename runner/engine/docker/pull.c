/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/docker/pull.h"

#include <string.h>

#include "engine/docker/json.h"

enum { LAYERS_MAX = 1024 };

void pull_deinit(struct pull *pull)
{
    for (size_t i = 0; i < pull->layers.len; i++)
        free(pull->layers.items[i].id);
    vec_deinit(&pull->layers);
    free(pull->error);
    pull->error = NULL;
}

static struct pull_layer *layer(struct pull *pull, const char *id)
{
    for (size_t i = 0; i < pull->layers.len; i++)
        if (strcmp(pull->layers.items[i].id, id) == 0)
            return &pull->layers.items[i];
    if (pull->layers.len >= LAYERS_MAX)
        return NULL;
    struct pull_layer *fresh = vec_push(&pull->layers);
    fresh->id = xstrdup(id);
    return fresh;
}

static void progress(struct pull_layer *l, const json_t *message, const char *status)
{
    json_int_t current = json_integer_value(json_at(message, "progressDetail/current"));
    json_int_t total = json_integer_value(json_at(message, "progressDetail/total"));
    /* The bytes count while they travel; the same layer reports again while it is unpacked. */
    if (strcmp(status, "Downloading") == 0 && current >= 0 && total >= current) {
        l->done = (uint64_t)current;
        l->total = (uint64_t)total;
    } else if (strcmp(status, "Download complete") == 0 || strcmp(status, "Pull complete") == 0) {
        l->done = l->total;
    }
}

void pull_message(struct pull *pull, const json_t *message)
{
    const char *error = json_string_at(message, "error", NULL);
    if (!error)
        error = json_string_at(message, "errorDetail/message", NULL);
    if (error) {
        replace_str(&pull->error, error);
        json_one_line(pull->error);
        return;
    }
    const char *id = json_string_at(message, "id", NULL);
    struct pull_layer *l = id ? layer(pull, id) : NULL;
    if (l)
        progress(l, message, json_string_at(message, "status", ""));
}

void pull_bytes(const struct pull *pull, uint64_t *done, uint64_t *total)
{
    *done = *total = 0;
    for (size_t i = 0; i < pull->layers.len; i++) {
        *done += pull->layers.items[i].done;
        *total += pull->layers.items[i].total;
    }
}

const char *pull_hint(const char *error)
{
    static const struct {
        const char *words;
        const char *hint;
    } hints[] = {
        {"toomanyrequests", " (the registry limits pulls: 'docker login' raises the limit)"},
        {"access denied", " (no such image, or it needs a 'docker login' first)"},
        {"access to the resource is denied",
         " (no such image, or it needs a 'docker login' first)"},
        {"unauthorized", " (it needs a 'docker login' with the right password first)"},
        {"authentication required", " (it needs a 'docker login' first)"},
        {"no basic auth credentials", " (it needs a 'docker login' first)"},
        {"manifest unknown", " (the registry has no such image or tag)"},
        {"not found", " (the registry has no such image or tag)"},
        {"no such host", " (the engine's machine cannot find that registry)"},
        {"connection refused", " (the engine's machine cannot reach that registry)"},
        {"i/o timeout", " (the engine's machine cannot reach that registry)"},
        {"Client.Timeout", " (the engine's machine cannot reach that registry)"},
        {"server gave HTTP response to HTTPS client",
         " (the engine must be told that this registry is an insecure one)"},
        {"no space left", " (the engine's disk is full)"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(hints); i++)
        if (strcasestr(error, hints[i].words))
            return hints[i].hint;
    return "";
}

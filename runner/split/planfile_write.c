/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.json as a text.
 *
 *     {"tool": "cleanroom", "format": 1, "version": "0.1.0", "id": "...", ..., "shards": 12,
 *      "images": [{"ref": "postgres:16", "id": "sha256:...", "digest": "postgres@sha256:..."}],
 *      "granularity": "class",
 *      "units": [{"name": "t.a.X", "shard": 3, "msec": 412, "known": true,
 *                 "tests": [{"id": "t.a.X.test_y", "key": "t.a.X.test_y"}]}]}
 *
 * Shards count from 1 here. Where nothing was listed, "granularity" and "units" are null.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <jansson.h>

#include "config/own.h"
#include "report/replace.h"
#include "report/text.h"
#include "split/planfile.h"

static void cleanup_json(json_t **j)
{
    json_decref(*j);
}

struct writer {
    char *bad; /* the first text that JSON cannot hold */
};

static void writer_deinit(struct writer *w)
{
    free(w->bad);
}

static json_t *text(struct writer *w, const char *s)
{
    json_t *value = s ? json_string(s) : json_null();
    if (!value && !w->bad)
        w->bad = text_bounded(s, 200);
    return value ? value : json_null();
}

static void put(json_t *object, const char *name, json_t *value)
{
    (void)json_object_set_new(object, name, value);
}

static json_t *image_value(struct writer *w, const struct planfile_image *image)
{
    json_t *value = json_object();
    put(value, "ref", text(w, image->ref));
    put(value, "id", text(w, image->id));
    put(value, "digest", text(w, image->digest));
    return value;
}

static json_t *unit_value(struct writer *w, const struct unit *u, int shard,
                          const struct test *tests)
{
    json_t *value = json_object(), *list = json_array();
    put(value, "name", text(w, u->name));
    put(value, "shard", json_integer(shard + 1));
    put(value, "msec", json_integer(u->msec));
    put(value, "known", json_boolean(u->known));
    for (size_t i = 0; i < u->tests; i++) {
        json_t *test = json_object();
        put(test, "id", text(w, tests[i].id));
        put(test, "key", text(w, tests[i].key));
        (void)json_array_append_new(list, test);
    }
    put(value, "tests", list);
    return value;
}

static json_t *units_value(struct writer *w, const struct planfile *p)
{
    json_t *list = json_array();
    const struct test *next = p->tests.tests.items;
    for (size_t i = 0; i < p->units.items.len; i++) {
        const struct unit *u = &p->units.items.items[i];
        (void)json_array_append_new(list, unit_value(w, u, p->shard_of[i], next));
        next += u->tests;
    }
    return list;
}

static json_t *planfile_value(struct writer *w, const struct planfile *p)
{
    json_t *root = json_object(), *arguments = json_array(), *images = json_array();
    for (size_t i = 0; i < p->arguments.len; i++)
        (void)json_array_append_new(arguments, text(w, p->arguments.items[i]));
    for (size_t i = 0; i < p->images.len; i++)
        (void)json_array_append_new(images, image_value(w, &p->images.items[i]));
    put(root, "tool", json_string(PLANFILE_TOOL));
    put(root, "format", json_integer(PLANFILE_FORMAT));
    put(root, "version", text(w, p->version));
    put(root, "id", text(w, p->id));
    put(root, "application", text(w, p->application));
    put(root, "target", text(w, p->target));
    put(root, "arguments", arguments);
    put(root, "images", images);
    put(root, "shards", json_integer(p->shards));
    put(root, "split", json_string(own_by_flag("split")->names[p->split]));
    put(root, "runner", text(w, p->runner));
    put(root, "order", json_string(own_by_flag("order")->names[p->order]));
    put(root, "seed", json_integer(p->seed));
    put(root, "expect", json_integer(p->expect));
    put(root, "files", json_boolean(p->files));
    put(root, "granularity", text(w, p->listed ? granularity_name(p->granularity) : NULL));
    put(root, "units", p->listed ? units_value(w, p) : json_null());
    return root;
}

static int write_to(const struct planfile *p, int dir, const char *name, struct error *err)
{
    _cleanup_(writer_deinit) struct writer w = {0};
    _cleanup_(cleanup_json) json_t *root = planfile_value(&w, p);
    if (w.bad)
        return error_set(err, ERROR_CONFIG,
                         "'%s' is not valid UTF-8, so it cannot be part of a plan", w.bad);
    _cleanup_replacement_ struct replacement file;
    if (replacement_begin(&file, dir, name, err) < 0)
        return -1;
    (void)json_dumpf(root, file.file, JSON_INDENT(1));
    (void)fputc('\n', file.file);
    return replacement_commit(&file, true, err);
}

int planfile_write(const struct planfile *p, const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *parent = slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
    _cleanup_close_ int dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const char *name = slash ? slash + 1 : path;
    if (dir < 0)
        return error_set_errno(err, ERROR_CONFIG, errno, "cannot write '%s'", path);
    if (!*name)
        return error_set(err, ERROR_CONFIG, "'%s' is a directory; name a file in it", path);
    return write_to(p, dir, name, err);
}

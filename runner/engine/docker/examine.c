/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/docker/docker.h"

#include <string.h>

#include <cleanroom/strbuf.h>

#include "engine/docker/json.h"
#include "engine/docker/op.h"

enum { TIMEOUT_MS = 10 * 1000 };

static json_t *get_info(struct docker *docker, struct error *err)
{
    _cleanup_strbuf_ struct strbuf body = STRBUF_INIT;
    body.max = 4 << 20;
    if (http_get_now(&docker->http, "/info", TIMEOUT_MS, NULL, NULL, &body, err) < 0)
        return NULL;
    return json_parse(body.buf, body.len, err);
}

/* A snapshot is an image of one layer more: cheap where layers share, dear where each is a copy. */
static void examine_storage(struct docker *docker, struct findings *out)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_json_ json_t *info = get_info(docker, &err);
    const char *driver = json_string_at(info, "Driver", NULL);
    struct finding *f = vec_push(out);
    *f = (struct finding){.ok = driver && strcmp(driver, "vfs") != 0, .what = "snapshots"};
    if (!driver)
        f->found = xasprintf("it does not tell its storage driver: %s",
                             error_is_set(&err) ? err.message : "none named");
    else if (f->ok)
        f->found = xasprintf("committed images, storage driver %s", driver);
    else
        f->found = xasprintf("its storage driver '%s' copies an image for each container: slow and "
                             "big",
                             driver);
    if (driver && !f->ok)
        f->remedy = "let the daemon use overlay2, or fuse-overlayfs as an ordinary user";
}

void docker_examine(struct loop *loop, const struct engine_options *options, struct findings *out)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct engine *engine = docker_open(loop, options, &err);
    *vec_push(out) = (struct finding){
        .ok = engine,
        .essential = true,
        .what = "daemon",
        .found = engine ? xasprintf("%s %s at %s", engine->kind, engine->version, engine->where)
                        : xstrdup(err.message),
    };
    if (!engine)
        return;
    examine_storage((struct docker *)engine, out);
    engine_free(engine);
}

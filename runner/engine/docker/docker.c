/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/docker/docker.h"

#include <string.h>

#include <cleanroom/log.h>
#include <cleanroom/strbuf.h>

#include "engine/docker/endpoint.h"
#include "engine/docker/greet.h"
#include "engine/docker/ops.h"

static void cancel(struct engine *engine, struct engine_op *op)
{
    (void)engine;
    op_cancel(op);
}

static void docker_free(struct engine *engine)
{
    struct docker *docker = (struct docker *)engine;
    while (docker->ops)
        op_drop(docker->ops);
    http_deinit(&docker->http);
    strvec_deinit(&docker->inputs);
    strvec_deinit(&docker->terminals);
    free(docker->config_dir);
    free(engine->kind);
    free(engine->version);
    free(engine->where);
    free(docker);
}

static const struct engine_ops docker_ops = {
    .image_resolve = docker_image_resolve,
    .image_import = docker_image_import,
    .network_create = docker_network_create,
    .volume_create = docker_volume_create,
    .container_create = docker_container_create,
    .container_start = docker_container_start,
    .container_inspect = docker_container_inspect,
    .container_attach = docker_container_attach,
    .container_input = docker_container_input,
    .container_resize = docker_container_resize,
    .container_archive = docker_container_archive,
    .container_extract = docker_container_extract,
    .container_signal = docker_container_signal,
    .container_exec = docker_container_exec,
    .container_commit = docker_container_commit,
    .remove = docker_object_remove,
    .list = docker_object_list,
    .list_kept = docker_kept_list,
    .events = docker_container_events,
    .cancel = cancel,
    .free = docker_free,
};

/* endpoint is taken over. */
static struct docker *docker_new(struct loop *loop, struct endpoint *endpoint,
                                 const struct endpoint_env *env)
{
    struct docker *docker = xcalloc(1, sizeof(*docker));
    docker->engine = (struct engine){
        .ops = &docker_ops,
        .loop = loop,
        .where = xstrdup(endpoint->where),
    };
    docker->http = (struct http){.loop = loop, .endpoint = *endpoint, .prefix = xstrdup("")};
    *endpoint = (struct endpoint){0};
    docker->config_dir = endpoint_config_dir(env);
    return docker;
}

static const char *remedy(const struct error *why)
{
    if (strstr(why->message, "ermission denied"))
        return ": is your user in the group 'docker'?";
    return ": is the engine running? start it, or name another one with --host";
}

/* Tries one place. NULL: not there, with its reason appended to tried; or *fatal, with err set. */
static struct engine *try(struct loop *loop, struct endpoint *endpoint,
                          const struct endpoint_env *env, bool only, struct strbuf *tried,
                          bool *fatal, struct error *err)
{
    struct error why _cleanup_error_ = ERROR_INIT;
    bool reached = false;
    struct docker *docker = docker_new(loop, endpoint, env);
    if (greet(docker, &reached, &why) == 0) {
        log_debug("engine at %s: %s %s", docker->engine.where, docker->engine.kind,
                  docker->engine.version);
        return &docker->engine;
    }

    *fatal = reached || only;
    if (reached)
        error_set(err, ERROR_ENGINE, "the engine at %s: %s", docker->engine.where, why.message);
    else if (only)
        error_set(err, ERROR_ENGINE, "no engine answers at %s: %s%s", docker->engine.where,
                  why.message, remedy(&why));
    else
        strbuf_addf(tried, "%s%s (%s)", tried->len ? ", " : "", docker->engine.where, why.message);
    docker_free(&docker->engine);
    return NULL;
}

struct engine *docker_open(struct loop *loop, const struct engine_options *options,
                           struct error *err)
{
    struct endpoint_env env = endpoint_env_get();
    struct endpoints places _cleanup_(endpoints_deinit) = {0};
    struct strbuf tried _cleanup_strbuf_ = STRBUF_INIT;
    if (endpoint_find(options, &env, &places, err) < 0)
        return NULL;

    bool fatal = false;
    for (size_t i = 0; i < places.len && !fatal; i++) {
        struct engine *engine = try(loop, &places.items[i], &env, places.len == 1, &tried, &fatal,
                                    err);
        if (engine)
            return engine;
    }
    if (!fatal)
        error_set(err, ERROR_ENGINE,
                  "no container engine answers: tried %s; start Docker or Podman, "
                  "or name an engine with --host or DOCKER_HOST",
                  tried.buf);
    return NULL;
}

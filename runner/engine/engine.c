/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/engine.h>

#include "engine/docker/docker.h"

const char *object_kind_name(enum object_kind kind)
{
    static const char *const names[OBJECT_KINDS] = {
        [OBJECT_CONTAINER] = "container", [OBJECT_VOLUME] = "volume", [OBJECT_NETWORK] = "network",
        [OBJECT_IMAGE] = "image",         [OBJECT_WORLD] = "world",
    };
    return names[kind];
}

void image_info_deinit(struct image_info *info)
{
    free(info->id);
    free(info->digest);
    free(info->user);
    strvec_deinit(&info->entrypoint);
    strvec_deinit(&info->cmd);
    strvec_deinit(&info->env);
    strvec_deinit(&info->volumes);
    *info = (struct image_info){0};
}

struct engine *engine_open(struct loop *loop, const struct engine_options *options,
                           struct error *err)
{
    return docker_open(loop, options, err);
}

void engine_free(struct engine *engine)
{
    if (engine)
        engine->ops->free(engine);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes, and the removal of whatever there is. */
#include "engine/docker/ops.h"

#include <assert.h>

#include "engine/docker/api.h"

static void complete(struct engine_op *op, enum engine_outcome outcome, const struct error *err)
{
    ((struct plain_op *)op)->done(op->data, outcome, err);
}

const struct op_class plain_class = {.complete = complete};

struct plain_op *plain_new(struct engine *engine, const struct op_rule *rules, nsec_t deadline,
                           engine_done_fn done, void *data)
{
    struct plain_op *plain = op_new(engine, &plain_class, sizeof(*plain), deadline, data);
    plain->done = done;
    plain->rules = rules;
    return plain;
}

void plain_answer(struct engine_op *op, const struct http_answer *answer)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    enum engine_outcome outcome = op_outcome(op, answer, ((struct plain_op *)op)->rules, &err);
    op_finish(op, outcome, outcome == ENGINE_FAILED ? &err : NULL);
}

const struct op_rule object_create_rules[] = {
    {500, "already exists", ENGINE_CONFLICT},
    {500, "already used", ENGINE_CONFLICT},
    {404, "", ENGINE_FAILED},
    {0, NULL, 0},
};

struct engine_op *docker_volume_create(struct engine *engine, const char *name,
                                       const struct labels *labels, nsec_t deadline,
                                       engine_done_fn done, void *data)
{
    struct plain_op *plain = plain_new(engine, object_create_rules, deadline, done, data);
    struct http_request request;
    struct error err _cleanup_error_ = ERROR_INIT;
    if (api_volume_create(&request, name, labels, &err) < 0) {
        http_request_deinit(&request);
        op_fail_later(&plain->op, &err);
    } else {
        op_request(&plain->op, &request, plain_answer);
    }
    return &plain->op;
}

const struct op_rule object_remove_rules[] = {
    {403, "active endpoints", ENGINE_CONFLICT},      /* Docker, a network in use */
    {500, "network is being used", ENGINE_CONFLICT}, /* Podman */
    {500, "dependent containers", ENGINE_CONFLICT},  /* Podman, a holder before its pod */
    {500, "being removed", ENGINE_CONFLICT},         {500, "removal in progress", ENGINE_CONFLICT},
    {500, "no such container", ENGINE_NOT_FOUND},    {500, "image is in use", ENGINE_CONFLICT},
    {500, "image used by", ENGINE_CONFLICT},         {0, NULL, 0},
};

struct engine_op *docker_object_remove(struct engine *engine, enum object_kind kind,
                                       const char *name, nsec_t deadline, engine_done_fn done,
                                       void *data)
{
    bool podman = ((struct docker *)engine)->podman;
    assert(kind != OBJECT_WORLD); /* a daemon has none */
    if (podman && kind == OBJECT_NETWORK)
        return podman_network_remove(engine, name, deadline, done, data);
    struct plain_op *plain = plain_new(engine, object_remove_rules, deadline, done, data);
    struct http_request request = podman && kind == OBJECT_CONTAINER
                                      ? api_podman_remove_container(name)
                                      : api_remove(kind, name);
    op_request(&plain->op, &request, plain_answer);
    return &plain->op;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks whose members cannot reach each other.
 *
 * Docker's bridge has a switch for that. Podman's (netavark) has none: there it is networks that
 * can be kept apart. So on Podman each container that is to be on a network gets one of its own,
 * marked with the name of the one that was asked for, and gone with it.
 */
#include "engine/docker/ops.h"

#include "engine/docker/api.h"
#include "engine/docker/json.h"

struct engine_op *docker_network_create(struct engine *engine, const char *name,
                                        const struct labels *labels, nsec_t deadline,
                                        engine_done_fn done, void *data)
{
    struct plain_op *plain = plain_new(engine, object_create_rules, deadline, done, data);
    struct http_request request;
    struct error err _cleanup_error_ = ERROR_INIT;
    if (api_network_create(&request, name, labels, NULL, plain->op.docker->podman, &err) < 0) {
        http_request_deinit(&request);
        op_fail_later(&plain->op, &err);
    } else {
        op_request(&plain->op, &request, plain_answer);
    }
    return &plain->op;
}

char *podman_network_name(const struct container_spec *spec)
{
    return xasprintf("%s.%s", spec->network, spec->name);
}

int podman_network_request(struct http_request *out, const struct container_spec *spec,
                           struct error *err)
{
    _cleanup_free_ char *name = podman_network_name(spec);
    return api_network_create(out, name, &spec->labels, spec->network, true, err);
}

struct network_removal {
    struct plain_op plain;
    char *name;
    struct strvec members; /* networks to remove before it; the last one first */
};

static void complete(struct engine_op *op, enum engine_outcome outcome, const struct error *err)
{
    ((struct plain_op *)op)->done(op->data, outcome, err);
}

static void release(struct engine_op *op)
{
    struct network_removal *removal = (struct network_removal *)op;
    free(removal->name);
    strvec_deinit(&removal->members);
}

static const struct op_class removal_class = {.complete = complete, .release = release};

static void remove_next(struct network_removal *removal);

static void on_member_removed(struct engine_op *op, const struct http_answer *answer)
{
    struct network_removal *removal = (struct network_removal *)op;
    struct error err _cleanup_error_ = ERROR_INIT;
    enum engine_outcome outcome = op_outcome(op, answer, object_remove_rules, &err);
    if (outcome == ENGINE_OK || outcome == ENGINE_NOT_FOUND) {
        free(removal->members.items[--removal->members.len]);
        remove_next(removal);
        return;
    }
    op_finish(op, outcome, outcome == ENGINE_FAILED ? &err : NULL);
}

static void remove_next(struct network_removal *removal)
{
    size_t left = removal->members.len;
    struct http_request request = api_remove(OBJECT_NETWORK, left ? removal->members.items[left - 1]
                                                                  : removal->name);
    op_request(&removal->plain.op, &request, left ? on_member_removed : plain_answer);
}

static void on_members(struct engine_op *op, const struct http_answer *answer)
{
    struct network_removal *removal = (struct network_removal *)op;
    struct error err _cleanup_error_ = ERROR_INIT;
    _cleanup_json_ json_t *root = NULL;
    if (op_outcome(op, answer, NULL, &err) == ENGINE_OK)
        root = json_parse(answer->body, answer->body_len, &err);
    if (!root) {
        if (!error_is_set(&err))
            error_set(&err, ERROR_ENGINE, "podman does not list its networks");
        op_finish(op, ENGINE_FAILED, &err);
        return;
    }

    for (size_t i = 0; i < json_array_size(root); i++)
        strvec_push(&removal->members, json_string_at(json_array_get(root, i), "Name", ""));
    remove_next(removal);
}

struct engine_op *podman_network_remove(struct engine *engine, const char *name, nsec_t deadline,
                                        engine_done_fn done, void *data)
{
    struct network_removal *removal = op_new(engine, &removal_class, sizeof(*removal), deadline,
                                             data);
    removal->plain.done = done;
    removal->plain.rules = object_remove_rules;
    removal->name = xstrdup(name);
    struct http_request request = api_list(OBJECT_NETWORK, API_LABEL_NETWORK, name);
    op_request(&removal->plain.op, &request, on_members);
    return &removal->plain.op;
}

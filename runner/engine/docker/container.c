/* SPDX-License-Identifier: Apache-2.0 */
/* A container's birth, and what became of it. */
#include "engine/docker/ops.h"

#include <string.h>

#include "engine/docker/api.h"
#include "engine/docker/json.h"

/* What a create call does not find is never the container: its image, or its network or pod. */
static const struct op_rule create_rules[] = {
    {409, "in use", ENGINE_CONFLICT},
    {500, "already in use", ENGINE_CONFLICT},
    {409, "", ENGINE_FAILED},
    {404, "no such image", ENGINE_NOT_FOUND},
    {404, "image not known", ENGINE_NOT_FOUND}, /* Podman */
    {404, "", ENGINE_FAILED},
    {0, NULL, 0},
};

/* The network of its own that comes before it, on Podman. */
struct create_op {
    struct plain_op plain;
    struct http_request container; /* to be sent once that is there */
};

static void create_complete(struct engine_op *op, enum engine_outcome outcome,
                            const struct error *err)
{
    ((struct plain_op *)op)->done(op->data, outcome, err);
}

static void create_release(struct engine_op *op)
{
    http_request_deinit(&((struct create_op *)op)->container);
}

static const struct op_class create_class = {.complete = create_complete,
                                             .release = create_release};

/* It may be there already: the container's name is ours, and so is this one. */
static void on_network(struct engine_op *op, const struct http_answer *answer)
{
    struct create_op *create = (struct create_op *)op;
    struct error err _cleanup_error_ = ERROR_INIT;
    enum engine_outcome outcome = op_outcome(op, answer, object_create_rules, &err);
    if (outcome == ENGINE_FAILED)
        op_finish(op, outcome, &err);
    else
        op_request(op, &create->container, plain_answer);
}

static int send_create(struct create_op *create, const struct container_spec *spec,
                       struct error *err)
{
    struct engine_op *op = &create->plain.op;
    bool own_network = op->docker->podman && spec->network && !spec->pod;
    _cleanup_free_ char *network = own_network ? podman_network_name(spec) : xstrdup(spec->network);
    if (api_container_create(&create->container, spec, network, err) < 0)
        return -1;
    if (!own_network) {
        op_request(op, &create->container, plain_answer);
        return 0;
    }
    struct http_request request;
    if (podman_network_request(&request, spec, err) < 0) {
        http_request_deinit(&request);
        return -1;
    }
    op_request(op, &request, on_network);
    return 0;
}

/* Whether it is in a list of names; an earlier container may have had the name. */
static void note(struct strvec *names, const char *name, bool in)
{
    for (size_t i = 0; i < names->len; i++) {
        if (strcmp(names->items[i], name) != 0)
            continue;
        if (!in)
            replace_str(&names->items[i], "");
        return;
    }
    if (in)
        strvec_push(names, name);
}

struct engine_op *docker_container_create(struct engine *engine, const struct container_spec *spec,
                                          nsec_t deadline, engine_done_fn done, void *data)
{
    struct create_op *create = op_new(engine, &create_class, sizeof(*create), deadline, data);
    struct error err _cleanup_error_ = ERROR_INIT;
    create->plain.done = done;
    create->plain.rules = create_rules;
    note(&create->plain.op.docker->inputs, spec->name, spec->input);
    note(&create->plain.op.docker->terminals, spec->name, spec->input && spec->terminal);
    if (send_create(create, spec, &err) < 0)
        op_fail_later(&create->plain.op, &err);
    return &create->plain.op;
}

/* A command that the image does not have is "not found" to some engines. */
static const struct op_rule start_rules[] = {
    {404, "no such container", ENGINE_NOT_FOUND},
    {404, "no container with", ENGINE_NOT_FOUND},
    {404, "", ENGINE_FAILED},
    {409, "", ENGINE_FAILED},
    {0, NULL, 0},
};

struct engine_op *docker_container_start(struct engine *engine, const char *name, nsec_t deadline,
                                         engine_done_fn done, void *data)
{
    struct plain_op *plain = plain_new(engine, start_rules, deadline, done, data);
    struct http_request request = api_container_start(name);
    op_request(&plain->op, &request, plain_answer);
    return &plain->op;
}

static const struct op_rule signal_rules[] = {
    {500, "is not running", ENGINE_CONFLICT},
    {500, "state improper", ENGINE_CONFLICT}, /* Podman */
    {0, NULL, 0},
};

struct engine_op *docker_container_signal(struct engine *engine, const char *name, int signal,
                                          nsec_t deadline, engine_done_fn done, void *data)
{
    struct plain_op *plain = plain_new(engine, signal_rules, deadline, done, data);
    struct http_request request = api_container_signal(name, signal);
    op_request(&plain->op, &request, plain_answer);
    return &plain->op;
}

struct engine_op *docker_container_extract(struct engine *engine, const char *name,
                                           const char *path, const void *tar, size_t len,
                                           nsec_t deadline, engine_done_fn done, void *data)
{
    struct plain_op *plain = plain_new(engine, NULL, deadline, done, data);
    struct http_request request = api_container_extract(name, path, tar, len);
    op_request(&plain->op, &request, plain_answer);
    return &plain->op;
}

struct inspect_op {
    struct engine_op op;
    engine_state_fn done;
    const struct container_state *state;
};

struct state_json {
    bool running, paused; /* Podman: either, Docker: also both */
    int64_t exit_code;
    bool oom_killed;
    char *error;
};

static const struct json_field state_fields[] = {
    {"State/Running", JSON_KIND_BOOL, offsetof(struct state_json, running), true},
    {"State/Paused", JSON_KIND_BOOL, offsetof(struct state_json, paused), false},
    {"State/ExitCode", JSON_KIND_INT, offsetof(struct state_json, exit_code), true},
    {"State/OOMKilled", JSON_KIND_BOOL, offsetof(struct state_json, oom_killed), false},
    {"State/Error", JSON_KIND_STRING, offsetof(struct state_json, error), false},
};

static void inspect_complete(struct engine_op *op, enum engine_outcome outcome,
                             const struct error *err)
{
    struct inspect_op *inspect = (struct inspect_op *)op;
    inspect->done(op->data, outcome, outcome == ENGINE_OK ? inspect->state : NULL, err);
}

static const struct op_class inspect_class = {.complete = inspect_complete};

static int decode_state(const struct http_answer *answer, struct state_json *out, struct error *err)
{
    _cleanup_json_ json_t *root = json_parse(answer->body, answer->body_len, err);
    if (!root)
        return -1;
    return json_decode(root, state_fields, ARRAY_SIZE(state_fields), out, err);
}

static void inspect_answer(struct engine_op *op, const struct http_answer *answer)
{
    struct inspect_op *inspect = (struct inspect_op *)op;
    struct error err _cleanup_error_ = ERROR_INIT;
    struct state_json json = {0};
    enum engine_outcome outcome = op_outcome(op, answer, NULL, &err);
    if (outcome == ENGINE_OK && decode_state(answer, &json, &err) < 0)
        outcome = ENGINE_FAILED;

    _cleanup_free_ char *words = json.error ? json_one_line(json.error) : xstrdup("");
    inspect->state = &(struct container_state){
        .running = json.running || json.paused,
        .exit_code = (int)json.exit_code,
        .oom_killed = json.oom_killed,
        .error = words,
    };
    op_finish(op, outcome, outcome == ENGINE_FAILED ? &err : NULL);
}

struct engine_op *docker_container_inspect(struct engine *engine, const char *name, nsec_t deadline,
                                           engine_state_fn done, void *data)
{
    struct inspect_op *inspect = op_new(engine, &inspect_class, sizeof(*inspect), deadline, data);
    inspect->done = done;
    struct http_request request = api_container_inspect(name);
    op_request(&inspect->op, &request, inspect_answer);
    return &inspect->op;
}

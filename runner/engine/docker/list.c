/* SPDX-License-Identifier: Apache-2.0 */
/* All our objects, found by label: one request for each kind a daemon has, one after the other. */
#include "engine/docker/ops.h"

#include <string.h>

#include "engine/docker/api.h"
#include "engine/docker/json.h"
#include "engine/docker/reference.h"

struct list_op {
    struct engine_op op;
    engine_list_fn done;
    char *run;                       /* or NULL */
    enum object_kind kind;           /* asked for now */
    VEC(struct object_info) objects; /* with owned strings */
};

static void complete(struct engine_op *op, enum engine_outcome outcome, const struct error *err)
{
    struct list_op *list = (struct list_op *)op;
    bool ok = outcome == ENGINE_OK;
    list->done(op->data, outcome, ok ? list->objects.items : NULL, ok ? list->objects.len : 0, err);
}

static void release(struct engine_op *op)
{
    struct list_op *list = (struct list_op *)op;
    for (size_t i = 0; i < list->objects.len; i++) {
        struct object_info *o = &list->objects.items[i];
        free((char *)o->name);
        free((char *)o->run);
        free((char *)o->owner);
        free((char *)o->role);
    }
    vec_deinit(&list->objects);
    free(list->run);
}

static const struct op_class list_class = {.complete = complete, .release = release};

static const struct {
    const char *array; /* path of the list in the answer */
    const char *name;  /* path of the name; for a list of names, the first of it */
} shapes[] = {
    [OBJECT_CONTAINER] = {"", "Names"},
    [OBJECT_VOLUME] = {"Volumes", "Name"},
    [OBJECT_NETWORK] = {"", "Name"},
    [OBJECT_IMAGE] = {"", "RepoTags"},
};

/* The name by which we made it. An image that lost its tag goes by its id. */
static char *name_of(enum object_kind kind, const json_t *item)
{
    const json_t *value = json_at(item, shapes[kind].name);
    const char *name = json_string_value(json_is_array(value) ? json_array_get(value, 0) : value);
    if (kind == OBJECT_IMAGE && name && strcmp(name, "<none>:<none>") != 0)
        return reference_familiar(name);
    if (kind == OBJECT_IMAGE || !name)
        name = json_string_at(item, "Id", "");
    return xstrdup(*name == '/' ? name + 1 : name);
}

static void add_object(struct list_op *list, const json_t *item)
{
    if (!*json_string_at(item, "Labels/" LABEL_RUN, ""))
        return; /* a snapshot that could only be made with that label emptied: see commit.c */
    *vec_push(&list->objects) = (struct object_info){
        .kind = list->kind,
        .name = name_of(list->kind, item),
        .run = xstrdup(json_string_at(item, "Labels/" LABEL_RUN, "")),
        .owner = xstrdup(json_string_at(item, "Labels/" LABEL_OWNER, "")),
        .shard = (int)strtol(json_string_at(item, "Labels/" LABEL_SHARD, "0"), NULL, 10),
        .role = xstrdup(json_string_at(item, "Labels/" LABEL_ROLE, "")),
        .running = strcmp(json_string_at(item, "State", ""), "running") == 0,
    };
}

static void ask(struct list_op *list);

static void on_answer(struct engine_op *op, const struct http_answer *answer)
{
    struct list_op *list = (struct list_op *)op;
    struct error err _cleanup_error_ = ERROR_INIT;
    static const struct op_rule rules[] = {{404, "", ENGINE_FAILED}, {409, "", ENGINE_FAILED}, {0}};
    _cleanup_json_ json_t *root = NULL;
    if (op_outcome(op, answer, rules, &err) == ENGINE_OK)
        root = json_parse(answer->body, answer->body_len, &err);
    if (!root) {
        op_finish(op, ENGINE_FAILED, &err);
        return;
    }

    const json_t *array = json_at(root, shapes[list->kind].array);
    for (size_t i = 0; i < json_array_size(array); i++)
        add_object(list, json_array_get(array, i));
    list->kind++;
    if (list->kind < ARRAY_SIZE(shapes)) /* a daemon has no worlds */
        ask(list);
    else
        op_finish(op, ENGINE_OK, NULL);
}

static void ask(struct list_op *list)
{
    struct http_request request = api_list(list->kind, LABEL_RUN, list->run);
    op_request(&list->op, &request, on_answer);
}

struct engine_op *docker_object_list(struct engine *engine, const char *run, nsec_t deadline,
                                     engine_list_fn done, void *data)
{
    struct list_op *list = op_new(engine, &list_class, sizeof(*list), deadline, data);
    list->done = done;
    list->run = xstrdup(run);
    ask(list);
    return &list->op;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The images that are kept between runs, found by their label. */
#include "engine/docker/ops.h"

#include <string.h>

#include "engine/docker/api.h"
#include "engine/docker/json.h"
#include "engine/docker/reference.h"

struct kept_op {
    struct engine_op op;
    engine_kept_fn done;
    VEC(struct kept_image) images; /* with owned strings */
};

static void complete(struct engine_op *op, enum engine_outcome outcome, const struct error *err)
{
    struct kept_op *kept = (struct kept_op *)op;
    bool ok = outcome == ENGINE_OK;
    kept->done(op->data, outcome, ok ? kept->images.items : NULL, ok ? kept->images.len : 0, err);
}

static void release(struct engine_op *op)
{
    struct kept_op *kept = (struct kept_op *)op;
    for (size_t i = 0; i < kept->images.len; i++) {
        free((char *)kept->images.items[i].id);
        free((char *)kept->images.items[i].name);
    }
    vec_deinit(&kept->images);
}

static const struct op_class kept_class = {.complete = complete, .release = release};

/* The name without the host that Podman puts before it, NULL when it is none that we give. */
static char *own_name(const char *name)
{
    static const char host[] = "localhost/";
    _cleanup_free_ char *familiar = reference_familiar(name);
    const char *bare = strncmp(familiar, host, strlen(host)) == 0 ? familiar + strlen(host)
                                                                  : familiar;
    return strncmp(bare, "cleanroom-", 10) == 0 && !strchr(bare, '/') ? xstrdup(bare) : NULL;
}

/* "" when it has none, NULL when somebody gave it one: it is his, too. */
static char *name_of(const json_t *item)
{
    const json_t *tags = json_at(item, "RepoTags");
    const char *name = json_string_value(json_array_get(tags, 0));
    if (!name || strcmp(name, "<none>:<none>") == 0)
        return xstrdup("");
    return json_array_size(tags) == 1 ? own_name(name) : NULL;
}

static void add_image(struct kept_op *kept, const json_t *item)
{
    if (*json_string_at(item, "Labels/" LABEL_RUN, ""))
        return; /* a snapshot in the making: see commit.c */
    char *name = name_of(item);
    if (name)
        *vec_push(&kept->images) = (struct kept_image){
            .id = xstrdup(json_string_at(item, "Id", "")),
            .name = name,
            .created = json_integer_value(json_at(item, "Created")) * NSEC_PER_SEC,
            .size = (uint64_t)json_integer_value(json_at(item, "Size"))};
}

static void on_answer(struct engine_op *op, const struct http_answer *answer)
{
    struct kept_op *kept = (struct kept_op *)op;
    struct error err _cleanup_error_ = ERROR_INIT;
    static const struct op_rule rules[] = {{404, "", ENGINE_FAILED}, {409, "", ENGINE_FAILED}, {0}};
    _cleanup_json_ json_t *root = NULL;
    if (op_outcome(op, answer, rules, &err) == ENGINE_OK)
        root = json_parse(answer->body, answer->body_len, &err);
    for (size_t i = 0; i < json_array_size(root); i++)
        add_image(kept, json_array_get(root, i));
    op_finish(op, root ? ENGINE_OK : ENGINE_FAILED, root ? NULL : &err);
}

struct engine_op *docker_kept_list(struct engine *engine, nsec_t deadline, engine_kept_fn done,
                                   void *data)
{
    struct kept_op *kept = op_new(engine, &kept_class, sizeof(*kept), deadline, data);
    struct http_request request = api_list(OBJECT_IMAGE, LABEL_SNAPSHOT, NULL);
    kept->done = done;
    op_request(&kept->op, &request, on_answer);
    return &kept->op;
}

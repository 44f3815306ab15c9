/* SPDX-License-Identifier: Apache-2.0 */
/* Images: known, pulled, or made of a tar archive; in each case looked at in the end. */
#include "engine/docker/ops.h"

#include <string.h>

#include "engine/docker/api.h"
#include "engine/docker/json.h"
#include "engine/docker/pull.h"
#include "engine/docker/reference.h"
#include "engine/docker/registry_auth.h"

struct image_op {
    struct engine_op op;
    engine_image_fn done;
    engine_progress_fn progress; /* or NULL */
    enum pull_policy policy;
    char *text; /* the reference as given */
    struct reference ref;
    struct registry_auth *auth; /* being looked up */
    struct json_lines lines;
    struct pull pull;
    bool present; /* pulled or imported: to be missing now is an error */
    struct image_info info;
};

static void complete(struct engine_op *op, enum engine_outcome outcome, const struct error *err)
{
    struct image_op *image = (struct image_op *)op;
    image->done(op->data, outcome, outcome == ENGINE_OK ? &image->info : NULL, err);
}

static void release(struct engine_op *op)
{
    struct image_op *image = (struct image_op *)op;
    registry_auth_cancel(image->auth);
    json_lines_deinit(&image->lines);
    pull_deinit(&image->pull);
    reference_deinit(&image->ref);
    image_info_deinit(&image->info);
    free(image->text);
}

static const struct op_class image_class = {.complete = complete, .release = release};

static struct image_op *image_new(struct engine *engine, const char *text, nsec_t deadline,
                                  engine_image_fn done, void *data)
{
    struct image_op *image = op_new(engine, &image_class, sizeof(*image), deadline, data);
    image->done = done;
    image->text = xstrdup(text);
    json_lines_init(&image->lines);
    return image;
}

static void fail(struct image_op *image, struct error *err)
{
    op_finish(&image->op, ENGINE_FAILED, err);
}

static const struct json_field info_fields[] = {
    {"Id", JSON_KIND_STRING, offsetof(struct image_info, id), true},
    {"Config/User", JSON_KIND_STRING, offsetof(struct image_info, user), false},
    {"Config/Entrypoint", JSON_KIND_STRINGS, offsetof(struct image_info, entrypoint), false},
    {"Config/Cmd", JSON_KIND_STRINGS, offsetof(struct image_info, cmd), false},
    {"Config/Env", JSON_KIND_STRINGS, offsetof(struct image_info, env), false},
    {"Config/Volumes", JSON_KIND_KEYS, offsetof(struct image_info, volumes), false},
};

/* Several names may have brought the same content: the digest under the name we were asked for. */
static void choose_digest(const json_t *digests, const char *name, char **digest)
{
    _cleanup_free_ char *familiar = reference_familiar(name);
    size_t len = strlen(familiar);
    for (size_t i = 0; i < json_array_size(digests); i++) {
        const char *text = json_string_value(json_array_get(digests, i));
        if (!text || strncmp(text, "<none>", 6) == 0)
            continue;
        _cleanup_free_ char *candidate = reference_familiar(text);
        bool ours = strncmp(candidate, familiar, len) == 0 && candidate[len] == '@';
        if (!*digest || ours)
            replace_str(digest, candidate);
        if (ours)
            return;
    }
}

int docker_image_info(struct image_info *info, const struct http_answer *answer, const char *ref,
                      struct error *err)
{
    _cleanup_json_ json_t *root = json_parse(answer->body, answer->body_len, err);
    if (!root)
        return -1;
    if (json_decode(root, info_fields, ARRAY_SIZE(info_fields), info, err) < 0)
        return -1;
    if (!info->user)
        info->user = xstrdup("");
    /* Podman's ids have no algorithm before them in some versions. */
    if (!strchr(info->id, ':')) {
        char *bare = info->id;
        info->id = xasprintf("sha256:%s", bare);
        free(bare);
    }
    choose_digest(json_at(root, "RepoDigests"), ref ? ref : "", &info->digest);
    return 0;
}

static void begin_pull(struct image_op *image);

static void missing(struct image_op *image)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    if (image->present)
        error_set(&err, ERROR_ENGINE, "image '%s' is gone again from the engine", image->text);
    else if (image->ref.is_id)
        error_set(&err, ERROR_ENGINE,
                  "image '%s' is not there, and an id cannot be pulled: "
                  "name the image by NAME:TAG or NAME@sha256:DIGEST",
                  image->text);
    else if (image->policy == PULL_NEVER || image->policy == PULL_KEPT)
        error_set(&err, ERROR_ENGINE,
                  "image '%s' is not there and --pull never forbids to fetch it", image->text);
    else {
        begin_pull(image);
        return;
    }
    fail(image, &err);
}

static void on_inspected(struct engine_op *op, const struct http_answer *answer)
{
    struct image_op *image = (struct image_op *)op;
    struct error err _cleanup_error_ = ERROR_INIT;
    static const struct op_rule rules[] = {{409, "", ENGINE_FAILED}, {0}};
    switch (op_outcome(op, answer, rules, &err)) {
    case ENGINE_OK:
        if (docker_image_info(&image->info, answer, image->ref.name, &err) < 0)
            fail(image, &err);
        else
            op_finish(op, ENGINE_OK, NULL);
        return;
    case ENGINE_NOT_FOUND:
        missing(image);
        return;
    default:
        if (err.kind == ERROR_ENGINE)
            error_wrap(&err, "image '%s'", image->text);
        fail(image, &err);
    }
}

static void inspect(struct image_op *image, const char *ref)
{
    struct http_request request = api_image_inspect(ref);
    op_request(&image->op, &request, on_inspected);
}

static void on_message(void *data, const json_t *message)
{
    struct image_op *image = data;
    uint64_t done, total;
    pull_message(&image->pull, message);
    pull_bytes(&image->pull, &done, &total);
    if (image->progress && !image->op.cancelled && total > 0)
        image->progress(image->op.data, image->text, done, total);
}

static int on_messages(void *data, const void *bytes, size_t len)
{
    struct image_op *image = data;
    return json_lines_feed(&image->lines, bytes, len, on_message, image);
}

/* An error before the first byte is the answer's body, a later one a message in the stream. */
static int check_stream(struct image_op *image, const struct http_answer *answer, struct error *err)
{
    if (answer->err) {
        error_copy(err, answer->err);
        return -1;
    }
    if (answer->status >= 300) {
        free(image->pull.error);
        image->pull.error = json_error_message(answer->body, answer->body_len);
    }
    if (!image->pull.error)
        return 0;
    return error_set(err, ERROR_ENGINE, "%s%s", image->pull.error, pull_hint(image->pull.error));
}

static void on_pulled(struct engine_op *op, const struct http_answer *answer)
{
    struct image_op *image = (struct image_op *)op;
    struct error err _cleanup_error_ = ERROR_INIT;
    if (check_stream(image, answer, &err) < 0) {
        error_wrap(&err, "could not pull image '%s'", image->text);
        fail(image, &err);
        return;
    }
    image->present = true;
    inspect(image, image->ref.lookup);
}

static void on_auth(void *data, char *header, const struct error *auth_err)
{
    struct image_op *image = data;
    image->auth = NULL; /* it frees itself */
    if (auth_err) {
        struct error err _cleanup_error_ = ERROR_INIT;
        error_copy(&err, auth_err);
        error_wrap(&err, "could not pull image '%s'", image->text);
        free(header);
        fail(image, &err);
        return;
    }
    struct http_request request = api_image_pull(image->ref.name, image->ref.tag, header);
    op_stream(&image->op, &request, on_pulled, &(struct http_handlers){.body = on_messages});
}

static void begin_pull(struct image_op *image)
{
    struct docker *docker = image->op.docker;
    image->auth = registry_auth_new(docker->engine.loop, docker->config_dir, image->ref.domain,
                                    on_auth, image);
}

struct engine_op *docker_image_resolve(struct engine *engine, const char *ref,
                                       enum pull_policy policy, nsec_t deadline,
                                       engine_progress_fn progress, engine_image_fn done,
                                       void *data)
{
    struct image_op *image = image_new(engine, ref, deadline, done, data);
    struct error err _cleanup_error_ = ERROR_INIT;
    image->progress = progress;
    image->policy = policy;
    if (reference_parse(&image->ref, ref, &err) < 0)
        op_fail_later(&image->op, &err);
    else if (policy == PULL_ALWAYS && !image->ref.is_id)
        begin_pull(image);
    else
        inspect(image, image->ref.lookup);
    return &image->op;
}

/* The answer tells the new image's id, by which it is surely found. */
static void on_import_message(void *data, const json_t *message)
{
    struct image_op *image = data;
    const char *status = json_string_at(message, "status", "");
    pull_message(&image->pull, message);
    if (strncmp(status, "sha256:", 7) == 0)
        replace_str(&image->ref.lookup, status);
}

static int on_import_messages(void *data, const void *bytes, size_t len)
{
    struct image_op *image = data;
    return json_lines_feed(&image->lines, bytes, len, on_import_message, image);
}

static void on_imported(struct engine_op *op, const struct http_answer *answer)
{
    struct image_op *image = (struct image_op *)op;
    struct error err _cleanup_error_ = ERROR_INIT;
    if (check_stream(image, answer, &err) < 0) {
        error_wrap(&err, "could not import image '%s'", image->text);
        fail(image, &err);
        return;
    }
    image->present = true;
    inspect(image, image->ref.lookup ? image->ref.lookup : image->text);
}

struct engine_op *docker_image_import(struct engine *engine, const char *name,
                                      const struct labels *labels, const char *const *entrypoint,
                                      const void *tar, size_t len, nsec_t deadline,
                                      engine_image_fn done, void *data)
{
    struct image_op *image = image_new(engine, name, deadline, done, data);
    struct http_request request = api_image_import(name, labels, entrypoint, tar, len);
    op_stream(&image->op, &request, on_imported,
              &(struct http_handlers){.body = on_import_messages});
    return &image->op;
}

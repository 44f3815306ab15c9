/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container that has ended becomes an image.
 *
 * The engine's own commit keeps the container's environment, command and labels in the image, and
 * nothing takes them out again. So that image is made without a name (and with the run's labels, by
 * which a sweep finds it when we die now), and then one with the same layers and the configuration
 * that we want is loaded: an archive of two small files, since layers that are there need not be in
 * it (github.com/moby/docker-image-spec, "Combined Image JSON + Filesystem Changeset Format").
 * Where that does not work (Podman wants the layers), the commit is told to blank what it keeps.
 */
#include "engine/docker/ops.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#include "engine/docker/api.h"
#include "engine/docker/json.h"

struct commit_op {
    struct engine_op op;
    engine_image_fn done;
    char *container;
    char *name;     /* of the image to be */
    json_t *labels; /* on it, besides its parent's */
    json_t *parent; /* the answer about the container's image */
    json_t *config; /* the container's */
    char *raw;      /* id of the image without a name, or NULL */
    struct image_info info;
};

static void complete(struct engine_op *op, enum engine_outcome outcome, const struct error *err)
{
    struct commit_op *c = (struct commit_op *)op;
    c->done(op->data, outcome, outcome == ENGINE_OK ? &c->info : NULL, err);
}

static void release(struct engine_op *op)
{
    struct commit_op *c = (struct commit_op *)op;
    free(c->container);
    free(c->name);
    json_decref(c->labels);
    json_decref(c->parent);
    json_decref(c->config);
    free(c->raw);
    image_info_deinit(&c->info);
}

static const struct op_class commit_class = {.complete = complete, .release = release};

/* The answer as JSON, the caller's; or NULL, and the op has ended. */
static json_t *take_answer(struct engine_op *op, const struct http_answer *answer)
{
    static const struct op_rule rules[] = {{409, "", ENGINE_FAILED}, {0}};
    struct error err _cleanup_error_ = ERROR_INIT;
    enum engine_outcome outcome = op_outcome(op, answer, rules, &err);
    json_t *root = NULL;
    if (outcome == ENGINE_OK) {
        root = json_parse(answer->body, answer->body_len, &err);
        outcome = ENGINE_FAILED;
    }
    if (!root)
        op_finish(op, outcome, outcome == ENGINE_FAILED ? &err : NULL);
    return root;
}

static void ask(struct commit_op *c, struct http_request request, op_answer_fn then)
{
    op_request(&c->op, &request, then);
}

/* --- the end --------------------------------------------------------------------------------- */

static void on_made(struct engine_op *op, const struct http_answer *answer)
{
    struct commit_op *c = (struct commit_op *)op;
    struct error err _cleanup_error_ = ERROR_INIT;
    enum engine_outcome outcome = op_outcome(op, answer, NULL, &err);
    if (outcome == ENGINE_OK && docker_image_info(&c->info, answer, c->name, &err) < 0)
        outcome = ENGINE_FAILED;
    op_finish(op, outcome, outcome == ENGINE_FAILED ? &err : NULL);
}

static void look_at_it(struct engine_op *op)
{
    struct commit_op *c = (struct commit_op *)op;
    ask(c, api_image_inspect(c->name), on_made);
}

/* Whether that worked or not: it is no part of what was asked for, and a sweep finds it. What had
   the name before stays, without it: another run may just begin to use it. */
static void on_cleared(struct engine_op *op, const struct http_answer *answer)
{
    (void)answer;
    struct commit_op *c = (struct commit_op *)op;
    _cleanup_free_ char *id = TAKE_PTR(c->raw);
    if (id)
        ask(c, api_image_remove(id), on_cleared);
    else
        look_at_it(op);
}

/* --- without a load: everything of the container's own is blanked ------------------------------
 */

static void change_json(struct strvec *changes, const char *word, const json_t *value)
{
    _cleanup_free_ char *text = json_is_array(value) ? json_dumps(value, JSON_COMPACT) : NULL;
    strvec_pushf(changes, "%s %s", word, text ? text : "[]");
}

static bool has_variable(const json_t *env, const char *entry)
{
    size_t i, len = strcspn(entry, "=") + 1;
    const json_t *item;
    json_array_foreach(env, i, item)
    {
        if (strncmp(json_string_value(item), entry, len) == 0)
            return true;
    }
    return false;
}

/* Those are the engine's, not the container's own. */
static bool is_common_variable(const char *entry)
{
    static const char *const common[] = {"PATH=", "HOME=", "TERM=", "HOSTNAME=", "container="};
    for (size_t i = 0; i < ARRAY_SIZE(common); i++)
        if (strncmp(entry, common[i], strlen(common[i])) == 0)
            return true;
    return false;
}

static void change_env(struct strvec *changes, const json_t *env, const json_t *own)
{
    size_t i;
    const json_t *item;
    json_array_foreach(env, i, item)
    {
        const char *entry = json_string_value(item);
        if (!has_variable(own, entry) && !is_common_variable(entry))
            strvec_pushf(changes, "ENV %.*s=", (int)strcspn(entry, "="), entry);
    }
    json_array_foreach(own, i, item)
    {
        const char *entry = json_string_value(item);
        _cleanup_json_ json_t *text = json_string(entry + strcspn(entry, "=") + 1);
        _cleanup_free_ char *value = json_dumps(text, JSON_ENCODE_ANY);
        strvec_pushf(changes, "ENV %.*s=%s", (int)strcspn(entry, "="), entry, value);
    }
}

static void change_labels(struct strvec *changes, const json_t *container, const json_t *ours)
{
    static const char *const run_labels[] = {LABEL_RUN, LABEL_OWNER, LABEL_SHARD, LABEL_ROLE};
    const char *key;
    json_t *value;
    for (size_t i = 0; i < ARRAY_SIZE(run_labels); i++)
        if (json_object_get(container, run_labels[i]))
            strvec_pushf(changes, "LABEL \"%s\"=\"\"", run_labels[i]);
    json_object_foreach((json_t *)ours, key, value)
        strvec_pushf(changes, "LABEL \"%s\"=\"%s\"", key, json_string_value(value));
}

static void on_blanked(struct engine_op *op, const struct http_answer *answer)
{
    _cleanup_json_ json_t *made = take_answer(op, answer);
    if (made)
        on_cleared(op, answer);
}

static void commit_blanked(struct commit_op *c)
{
    _cleanup_strvec_ struct strvec changes = STRVEC_INIT;
    change_env(&changes, json_at(c->config, "Env"), json_at(c->parent, "Config/Env"));
    change_labels(&changes, json_at(c->config, "Labels"), c->labels);
    change_json(&changes, "ENTRYPOINT", json_at(c->parent, "Config/Entrypoint"));
    change_json(&changes, "CMD", json_at(c->parent, "Config/Cmd"));
    const char *user = json_string_at(c->parent, "Config/User", "");
    if (strcmp(user, json_string_at(c->config, "User", "")) != 0)
        strvec_pushf(&changes, "USER %s", *user ? user : "0");
    ask(c, api_image_commit(c->container, c->name, &changes), on_blanked);
}

/* --- the image without a name, and what is loaded ----------------------------------------------
 */

static la_ssize_t append(struct archive *a, void *out, const void *bytes, size_t len)
{
    (void)a;
    return strbuf_add(out, bytes, len) < 0 ? -1 : (la_ssize_t)len;
}

static void add_file(struct archive *a, const char *name, const json_t *content)
{
    _cleanup_free_ char *text = json_dumps(content, JSON_COMPACT);
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, (la_int64_t)strlen(text));
    archive_write_header(a, entry);
    archive_write_data(a, text, strlen(text));
    archive_entry_free(entry);
}

/* The parent's configuration, on the layers of `raw`. */
static json_t *wanted_config(const struct commit_op *c, const json_t *raw)
{
    char created[CLOCK_ISO_SIZE];
    clock_iso8601(clock_wall(), created, sizeof(created));
    json_t *config = json_deep_copy(json_at(c->parent, "Config"));
    json_t *labels = json_object_get(config, "Labels");
    if (!json_is_object(labels)) {
        labels = json_object();
        json_object_set_new(config, "Labels", labels);
    }
    json_object_update(labels, c->labels);
    return json_pack("{s:s, s:s, s:s, s:o, s:{s:s, s:O}}", "architecture",
                     json_string_at(raw, "Architecture", ""), "os", json_string_at(raw, "Os", ""),
                     "created", created, "config", config, "rootfs", "type", "layers", "diff_ids",
                     json_at(raw, "RootFS/Layers"));
}

static void write_archive(const struct commit_op *c, const json_t *raw, struct strbuf *out)
{
    _cleanup_json_ json_t *config = wanted_config(c, raw);
    json_t *layers = json_array();
    for (size_t i = 0; i < json_array_size(json_at(raw, "RootFS/Layers")); i++)
        json_array_append_new(layers, json_sprintf("%zu/layer.tar", i));
    _cleanup_json_ json_t *manifest = json_pack("[{s:s, s:[s], s:o}]", "Config", "config.json",
                                                "RepoTags", c->name, "Layers", layers);

    struct archive *a = archive_write_new();
    archive_write_set_format_ustar(a);
    archive_write_open2(a, out, NULL, append, NULL, NULL);
    add_file(a, "config.json", config);
    add_file(a, "manifest.json", manifest);
    archive_write_close(a);
    archive_write_free(a);
}

/* A refusal comes as a status, or as a message in what began well. */
static void on_loaded(struct engine_op *op, const struct http_answer *answer)
{
    struct commit_op *c = (struct commit_op *)op;
    bool good = answer->status == 200 && answer->body_len > 0 &&
                !memmem(answer->body, answer->body_len, "\"errorDetail\"", 13);
    if (good)
        on_cleared(op, answer);
    else
        commit_blanked(c);
}

static void on_raw(struct engine_op *op, const struct http_answer *answer)
{
    struct commit_op *c = (struct commit_op *)op;
    struct strbuf tar _cleanup_strbuf_ = STRBUF_INIT;
    _cleanup_json_ json_t *raw = take_answer(op, answer);
    if (!raw)
        return;
    write_archive(c, raw, &tar);
    ask(c, api_image_load(&tar), on_loaded);
}

static void on_committed(struct engine_op *op, const struct http_answer *answer)
{
    struct commit_op *c = (struct commit_op *)op;
    _cleanup_json_ json_t *made = take_answer(op, answer);
    if (!made)
        return;
    c->raw = xstrdup(json_string_at(made, "Id", ""));
    ask(c, api_image_inspect(c->raw), on_raw);
}

static void on_parent(struct engine_op *op, const struct http_answer *answer)
{
    struct commit_op *c = (struct commit_op *)op;
    c->parent = take_answer(op, answer);
    if (!c->parent)
        return;
    if (op->docker->podman)
        commit_blanked(c);
    else
        ask(c, api_image_commit(c->container, NULL, NULL), on_committed);
}

static void on_container(struct engine_op *op, const struct http_answer *answer)
{
    struct commit_op *c = (struct commit_op *)op;
    _cleanup_json_ json_t *container = take_answer(op, answer);
    if (!container)
        return;
    c->config = json_incref(json_object_get(container, "Config"));
    ask(c, api_image_inspect(json_string_at(container, "Image", "")), on_parent);
}

static json_t *wanted_labels(const struct commit_spec *spec)
{
    json_t *out = json_object();
    if (spec->snapshot)
        json_object_set_new(out, LABEL_SNAPSHOT, json_string(spec->snapshot));
    if (spec->labels) {
        json_object_set_new(out, LABEL_RUN, json_string(spec->labels->run));
        json_object_set_new(out, LABEL_OWNER, json_string(spec->labels->owner));
        if (spec->labels->role)
            json_object_set_new(out, LABEL_ROLE, json_string(spec->labels->role));
    }
    return out;
}

struct engine_op *docker_container_commit(struct engine *engine, const char *name,
                                          const struct commit_spec *spec, nsec_t deadline,
                                          engine_image_fn done, void *data)
{
    struct commit_op *c = op_new(engine, &commit_class, sizeof(*c), deadline, data);
    c->done = done;
    c->container = xstrdup(name);
    c->name = xstrdup(spec->name);
    c->labels = wanted_labels(spec);
    ask(c, api_container_inspect(name), on_container);
    return &c->op;
}

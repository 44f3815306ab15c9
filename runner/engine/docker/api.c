/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/docker/api.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include <cleanroom/strbuf.h>

#include "engine/docker/json.h"

char *api_escape(const char *s, const char *keep)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-._~";
    struct strbuf out = STRBUF_INIT;
    for (; *s; s++) {
        if (strchr(unreserved, *s) || strchr(keep, *s))
            strbuf_addc(&out, *s);
        else
            strbuf_addf(&out, "%%%02X", (unsigned char)*s);
    }
    return strbuf_detach(&out);
}

/* Object names and image references: their slashes and colons are part of the route. */
static char *name_in_path(const char *name)
{
    return api_escape(name, "/:@");
}

static struct http_request request(const char *method, char *path)
{
    return (struct http_request){.method = method, .path = path};
}

/* A JSON object in the making; `bad` once a string was not UTF-8. */
struct object {
    json_t *json;
    bool bad;
};

static void put(struct object *object, const char *key, json_t *value)
{
    if (json_object_set_new(object->json, key, value) < 0)
        object->bad = true;
}

static json_t *strings(struct object *object, const char *const *items)
{
    json_t *array = json_array();
    for (; *items; items++)
        if (json_array_append_new(array, json_string(*items)) < 0)
            object->bad = true;
    return array;
}

static json_t *labels_json(struct object *object, const struct labels *labels)
{
    struct object out = {.json = json_object()};
    put(&out, LABEL_RUN, json_string(labels->run));
    put(&out, LABEL_OWNER, json_string(labels->owner));
    if (labels->shard > 0) {
        _cleanup_free_ char *shard = xasprintf("%d", labels->shard);
        put(&out, LABEL_SHARD, json_string(shard));
    }
    if (labels->role)
        put(&out, LABEL_ROLE, json_string(labels->role));
    object->bad |= out.bad;
    return out.json;
}

/* Consumes the object. */
static int post_json(struct http_request *out, char *path, struct object *object, struct error *err)
{
    *out = request("POST", path);
    if (!object->bad)
        out->body = json_dumps(object->json, JSON_COMPACT);
    json_decref(object->json);
    if (!out->body)
        return error_set(err, ERROR_CONFIG,
                         "an argument, variable or name for a container is not UTF-8, "
                         "which the engine's API cannot say");
    out->body_len = strlen(out->body);
    return 0;
}

struct http_request api_image_inspect(const char *ref)
{
    _cleanup_free_ char *name = name_in_path(ref);
    return request("GET", xasprintf("/images/%s/json", name));
}

struct http_request api_image_pull(const char *name, const char *tag, char *auth)
{
    _cleanup_free_ char *n = api_escape(name, "");
    _cleanup_free_ char *t = api_escape(tag, "");
    struct http_request out = request("POST",
                                      xasprintf("/images/create?fromImage=%s&tag=%s", n, t));
    out.auth = auth;
    return out;
}

/* A Dockerfile instruction, as a parameter of its own: Podman takes one label in each. */
static void add_change(struct strbuf *path, const char *instruction)
{
    _cleanup_free_ char *escaped = api_escape(instruction, "");
    strbuf_addf(path, "&changes=%s", escaped);
}

static void add_label(struct strbuf *path, const char *key, const char *value)
{
    _cleanup_free_ char *instruction = xasprintf("LABEL \"%s\"=\"%s\"", key, value);
    add_change(path, instruction);
}

struct http_request api_image_import(const char *name, const struct labels *labels,
                                     const char *const *entrypoint, const void *tar, size_t len)
{
    /* The tag goes with the name: Podman forgets a `tag` of its own. */
    _cleanup_free_ char *repo = api_escape(name, "");
    struct strbuf path = STRBUF_INIT;
    strbuf_addf(&path, "/images/create?fromSrc=-&repo=%s", repo);
    if (labels) {
        add_label(&path, LABEL_RUN, labels->run);
        add_label(&path, LABEL_OWNER, labels->owner);
    } else {
        add_label(&path, LABEL_SNAPSHOT, strchr(name, ':') ? strchr(name, ':') + 1 : name);
    }
    if (labels && labels->role)
        add_label(&path, LABEL_ROLE, labels->role);
    if (entrypoint) {
        struct object unused = {0};
        _cleanup_json_ json_t *array = strings(&unused, entrypoint);
        _cleanup_free_ char *text = json_dumps(array, JSON_COMPACT);
        _cleanup_free_ char *instruction = xasprintf("ENTRYPOINT %s", text);
        add_change(&path, instruction);
    }

    struct http_request out = request("POST", strbuf_detach(&path));
    out.body = xmemdup(tar, len);
    out.body_len = len;
    out.type = "application/x-tar";
    return out;
}

int api_network_create(struct http_request *out, const char *name, const struct labels *labels,
                       const char *of, bool podman, struct error *err)
{
    struct object body = {.json = json_object()};
    put(&body, "Name", json_string(name));
    put(&body, "Driver", json_string("bridge"));
    put(&body, "CheckDuplicate", json_true());
    json_t *label = labels_json(&body, labels);
    if (of && json_object_set_new(label, API_LABEL_NETWORK, json_string(of)) < 0)
        body.bad = true;
    put(&body, "Labels", label);
    /* Docker keeps the members of one network apart; Podman (netavark) one network from another. */
    put(&body, "Options",
        podman ? json_pack("{s:s}", "isolate", "true")
               : json_pack("{s:s}", "com.docker.network.bridge.enable_icc", "false"));
    return post_json(out, xstrdup("/networks/create"), &body, err);
}

int api_volume_create(struct http_request *out, const char *name, const struct labels *labels,
                      struct error *err)
{
    struct object body = {.json = json_object()};
    put(&body, "Name", json_string(name));
    put(&body, "Labels", labels_json(&body, labels));
    return post_json(out, xstrdup("/volumes/create"), &body, err);
}

static void put_mounts(struct object *host, const struct container_spec *spec)
{
    json_t *volumes = json_array();
    struct object tmpfs = {.json = json_object()};
    for (size_t i = 0; i < spec->mount_count; i++) {
        const struct mount *m = &spec->mounts[i];
        if (m->kind == MOUNT_TMPFS)
            put(&tmpfs, m->target, json_string(m->options ? m->options : ""));
        else if (json_array_append_new(volumes,
                                       json_pack("{s:s, s:s, s:s}", "Type", "volume", "Source",
                                                 m->volume, "Target", m->target)) < 0)
            host->bad = true;
    }
    host->bad |= tmpfs.bad;
    put(host, "Mounts", volumes);
    put(host, "Tmpfs", tmpfs.json);
}

/* A daemon lets in to the pod's own address, where not everybody listens: so the satellite does, at
   ports that nobody else takes, and relays to the loopback. */
#define RELAY_FIRST 61000

static json_t *relaying_words(struct object *body, const struct container_spec *spec)
{
    _cleanup_strvec_ struct strvec words = STRVEC_INIT;
    for (const char *const *word = spec->argv; word && *word; word++)
        strvec_push(&words, *word);
    for (size_t i = 0; i < spec->publish_count; i++) {
        const struct publish *p = &spec->publish[i];
        strvec_push(&words, "--relay");
        strvec_pushf(&words, "@%zu:%u:%s", RELAY_FIRST + i, p->target, p->udp ? "udp" : "tcp");
    }
    return strings(body, (const char *const *)words.items);
}

/* As a key: "61000/tcp". */
static json_t *port_bindings(struct object *body, const struct container_spec *spec)
{
    struct object out = {.json = json_object()};
    struct object exposed = {.json = json_object()};
    for (size_t i = 0; i < spec->publish_count; i++) {
        const struct publish *p = &spec->publish[i];
        _cleanup_free_ char *key = xasprintf("%zu/%s", RELAY_FIRST + i, p->udp ? "udp" : "tcp");
        _cleanup_free_ char *port = xasprintf("%u", p->port);
        put(&out, key, json_pack("[{s:s, s:s}]", "HostIp", p->address, "HostPort", port));
        put(&exposed, key, json_object());
    }
    put(body, "ExposedPorts", exposed.json);
    body->bad |= out.bad || exposed.bad;
    return out.json;
}

static json_t *network_mode(const struct container_spec *spec, const char *network)
{
    if (spec->pod)
        return json_sprintf("container:%s", spec->pod);
    return json_string(network ? network : "none");
}

static json_t *host_config(struct object *body, const struct container_spec *spec,
                           const char *network)
{
    struct object host = {.json = json_object()};
    put(&host, "NetworkMode", network_mode(spec, network));
    put_mounts(&host, spec);
    if (spec->publish_count)
        put(&host, "PortBindings", port_bindings(body, spec));
    if (spec->memory) {
        put(&host, "Memory", json_integer((json_int_t)spec->memory));
        put(&host, "MemorySwap", json_integer((json_int_t)spec->memory));
    }
    if (spec->cpu)
        put(&host, "NanoCpus", json_integer((json_int_t)spec->cpu * 1000000));
    if (spec->pids)
        put(&host, "PidsLimit", json_integer((json_int_t)spec->pids));
    if (spec->shm_size)
        put(&host, "ShmSize", json_integer((json_int_t)spec->shm_size));
    if (spec->input && spec->terminal) /* older ones wait to be told: /resize */
        put(&host, "ConsoleSize",
            json_pack("[i, i]", spec->terminal->rows, spec->terminal->columns));
    /* We are attached before the start and miss nothing: the engine need not write it to disk too.
     */
    put(&host, "LogConfig", json_pack("{s:s}", "Type", "none"));
    body->bad |= host.bad;
    return host.json;
}

int api_container_create(struct http_request *out, const struct container_spec *spec,
                         const char *network, struct error *err)
{
    _cleanup_free_ char *name = api_escape(spec->name, "");
    struct object body = {.json = json_object()};
    put(&body, "Image", json_string(spec->image));
    put(&body, "Labels", labels_json(&body, &spec->labels));
    if (spec->entrypoint)
        put(&body, "Entrypoint", strings(&body, spec->entrypoint));
    if (spec->publish_count)
        put(&body, "Cmd", relaying_words(&body, spec));
    else if (spec->argv)
        put(&body, "Cmd", strings(&body, spec->argv));
    if (spec->env)
        put(&body, "Env", strings(&body, spec->env));
    if (spec->user)
        put(&body, "User", json_string(spec->user));
    if (spec->hostname && !spec->pod)
        put(&body, "Hostname", json_string(spec->hostname));
    if (spec->input) {
        put(&body, "AttachStdin", json_true());
        put(&body, "OpenStdin", json_true());
        put(&body, "StdinOnce", json_true());
    }
    if (spec->input && spec->terminal)
        put(&body, "Tty", json_true());
    put(&body, "AttachStdout", json_true());
    put(&body, "AttachStderr", json_true());
    put(&body, "HostConfig", host_config(&body, spec, network));
    return post_json(out, xasprintf("/containers/create?name=%s", name), &body, err);
}

static struct http_request on_container(const char *method, const char *name, const char *suffix)
{
    _cleanup_free_ char *escaped = name_in_path(name);
    return request(method, xasprintf("/containers/%s%s", escaped, suffix));
}

struct http_request api_container_start(const char *name)
{
    return on_container("POST", name, "/start");
}

struct http_request api_container_inspect(const char *name)
{
    return on_container("GET", name, "/json");
}

struct http_request api_container_attach(const char *name)
{
    return on_container("POST", name, "/attach?stream=1&stdout=1&stderr=1&logs=0");
}

struct http_request api_container_hijack(const char *name)
{
    return on_container("POST", name, "/attach?stream=1&stdin=1&stdout=1&stderr=1&logs=0");
}

struct http_request api_container_resize(const char *name, struct terminal_size size)
{
    _cleanup_free_ char *suffix = xasprintf("/resize?h=%d&w=%d", size.rows, size.columns);
    return on_container("POST", name, suffix);
}

struct http_request api_container_archive(const char *name, const char *path)
{
    _cleanup_free_ char *escaped = api_escape(path, "");
    _cleanup_free_ char *suffix = xasprintf("/archive?path=%s", escaped);
    return on_container("GET", name, suffix);
}

struct http_request api_container_extract(const char *name, const char *path, const void *tar,
                                          size_t len)
{
    _cleanup_free_ char *escaped = api_escape(path, "");
    /* Owners as in the archive: Docker's default, not Podman's. */
    _cleanup_free_ char *suffix = xasprintf("/archive?path=%s&copyUIDGID=false", escaped);
    struct http_request out = on_container("PUT", name, suffix);
    out.body = xmemdup(tar, len);
    out.body_len = len;
    out.type = "application/x-tar";
    return out;
}

int api_exec_create(struct http_request *out, const char *container, const char *const *argv,
                    struct error *err)
{
    struct object body = {.json = json_object()};
    _cleanup_free_ char *escaped = name_in_path(container);
    put(&body, "Cmd", strings(&body, argv));
    /* Its end is that of its output. */
    put(&body, "AttachStdout", json_true());
    put(&body, "AttachStderr", json_true());
    return post_json(out, xasprintf("/containers/%s/exec", escaped), &body, err);
}

struct http_request api_exec_start(const char *id)
{
    static const char body[] = "{\"Detach\":false,\"Tty\":false}";
    _cleanup_free_ char *escaped = name_in_path(id);
    struct http_request out = request("POST", xasprintf("/exec/%s/start", escaped));
    out.body = xstrdup(body);
    out.body_len = sizeof(body) - 1;
    return out;
}

struct http_request api_exec_inspect(const char *id)
{
    _cleanup_free_ char *escaped = name_in_path(id);
    return request("GET", xasprintf("/exec/%s/json", escaped));
}

struct http_request api_container_signal(const char *name, int signal)
{
    _cleanup_free_ char *suffix = xasprintf("/kill?signal=%d", signal);
    return on_container("POST", name, suffix);
}

struct http_request api_image_commit(const char *container, const char *name,
                                     const struct strvec *changes)
{
    _cleanup_free_ char *c = api_escape(container, "");
    struct strbuf path = STRBUF_INIT;
    strbuf_addf(&path, "/commit?container=%s&pause=0", c);
    if (name) {
        const char *tag = strrchr(name, ':');
        _cleanup_free_ char *repo = xstrndup(name, tag ? (size_t)(tag - name) : strlen(name));
        _cleanup_free_ char *r = api_escape(repo, "");
        _cleanup_free_ char *t = api_escape(tag ? tag + 1 : "latest", "");
        strbuf_addf(&path, "&repo=%s&tag=%s", r, t);
    }
    for (size_t i = 0; changes && i < changes->len; i++)
        add_change(&path, changes->items[i]);
    struct http_request out = request("POST", strbuf_detach(&path));
    out.body = xstrdup("{}");
    out.body_len = 2;
    return out;
}

struct http_request api_image_load(struct strbuf *tar)
{
    struct http_request out = request("POST", xstrdup("/images/load?quiet=1"));
    out.body_len = tar->len;
    out.body = strbuf_detach(tar);
    out.type = "application/x-tar";
    return out;
}

struct http_request api_image_remove(const char *id)
{
    _cleanup_free_ char *escaped = name_in_path(id);
    return request("DELETE", xasprintf("/images/%s?noprune=1", escaped));
}

static const struct {
    const char *path;
    const char *remove_query;
    const char *list_query;
} routes[] = {
    [OBJECT_CONTAINER] = {"/containers", "?force=1&v=1", "/json?all=1&"},
    [OBJECT_VOLUME] = {"/volumes", "", "?"},
    [OBJECT_NETWORK] = {"/networks", "", "?"},
    /* Not by force: Podman would remove the containers that use it. */
    [OBJECT_IMAGE] = {"/images", "?noprune=0", "/json?"},
};

struct http_request api_remove(enum object_kind kind, const char *name)
{
    _cleanup_free_ char *escaped = name_in_path(name);
    return request("DELETE",
                   xasprintf("%s/%s%s", routes[kind].path, escaped, routes[kind].remove_query));
}

/* Its documentation says v, its code volumes: with what the image declares as such. */
struct http_request api_podman_remove_container(const char *name)
{
    _cleanup_free_ char *escaped = name_in_path(name);
    struct http_request out = request(
        "DELETE", xasprintf("/v4.0.0/libpod/containers/%s?force=true&v=true&volumes=true&timeout=0",
                            escaped));
    out.versioned = true;
    return out;
}

/* {"label": ["key=value"]}, escaped for a query. */
static char *label_filter(const char *label, const char *value, const char *type)
{
    _cleanup_free_ char *text = value ? xasprintf("%s=%s", label, value) : xstrdup(label);
    _cleanup_json_ json_t *filter = json_pack("{s:[s]}", "label", text);
    if (type && filter)
        json_object_set_new(filter, "type", json_pack("[s]", type));
    _cleanup_free_ char *json = filter ? json_dumps(filter, JSON_COMPACT) : xstrdup("{}");
    return api_escape(json, "");
}

struct http_request api_list(enum object_kind kind, const char *label, const char *value)
{
    _cleanup_free_ char *filter = label_filter(label, value, NULL);
    return request("GET",
                   xasprintf("%s%sfilters=%s", routes[kind].path, routes[kind].list_query, filter));
}

struct http_request api_events(const char *run, int64_t since)
{
    _cleanup_free_ char *filter = label_filter(LABEL_RUN, run, "container");
    return request("GET", xasprintf("/events?since=%" PRId64 "&filters=%s", since, filter));
}

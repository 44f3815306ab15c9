/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/docker/endpoint.h"

#include <glob.h>
#include <string.h>

#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

#include "engine/docker/json.h"

enum { CONFIG_MAX_BYTES = 4 * 1024 * 1024 };

void endpoint_deinit(struct endpoint *endpoint)
{
    free(endpoint->where);
    free(endpoint->unix_path);
    free(endpoint->base);
    free(endpoint->ca);
    free(endpoint->cert);
    free(endpoint->key);
    *endpoint = (struct endpoint){0};
}

void endpoints_deinit(struct endpoints *list)
{
    for (size_t i = 0; i < list->len; i++)
        endpoint_deinit(&list->items[i]);
    vec_deinit(list);
}

static const char *get(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

struct endpoint_env endpoint_env_get(void)
{
    return (struct endpoint_env){
        .docker_host = get("DOCKER_HOST"),
        .docker_context = get("DOCKER_CONTEXT"),
        .cert_path = get("DOCKER_CERT_PATH"),
        .tls_verify = get("DOCKER_TLS_VERIFY"),
        .config_dir = get("DOCKER_CONFIG"),
        .home = get("HOME"),
        .runtime_dir = get("XDG_RUNTIME_DIR"),
    };
}

char *endpoint_config_dir(const struct endpoint_env *env)
{
    if (env->config_dir)
        return xstrdup(env->config_dir);
    return env->home ? xasprintf("%s/.docker", env->home) : NULL;
}

/* dir/name if it can be read, else NULL. */
static char *pem_file(const char *dir, const char *name)
{
    char *path = xasprintf("%s/%s", dir, name);
    if (access(path, R_OK) == 0)
        return path;
    free(path);
    return NULL;
}

static void load_certificates(struct endpoint *endpoint, const char *dir)
{
    endpoint->ca = pem_file(dir, "ca.pem");
    endpoint->cert = pem_file(dir, "cert.pem");
    endpoint->key = pem_file(dir, "key.pem");
}

static int parse_unix(struct endpoint *out, const char *rest, bool tls, struct error *err)
{
    (void)tls;
    if (*rest != '/')
        return error_set(err, ERROR_ENGINE,
                         "engine 'unix://%s' is no absolute path: write "
                         "unix:///run/docker.sock with three slashes",
                         rest);
    out->unix_path = xstrdup(rest);
    out->base = xstrdup("http://localhost");
    return 0;
}

/* Docker's own ports, where none is given. */
static char *with_port(const char *rest, bool tls)
{
    size_t len = strcspn(rest, "/");
    const char *after_v6 = memchr(rest, ']', len);
    const char *colon = memchr(after_v6 ? after_v6 : rest, ':',
                               len - (size_t)(after_v6 ? after_v6 - rest : 0));
    return xasprintf("%.*s%s", (int)len, rest, colon ? "" : tls ? ":2376" : ":2375");
}

static int parse_tcp(struct endpoint *out, const char *rest, bool tls, struct error *err)
{
    if (rest[strcspn(rest, "/")] == '/' && rest[strcspn(rest, "/") + 1])
        return error_set(err, ERROR_ENGINE, "engine 'tcp://%s' has a path: only HOST:PORT", rest);
    _cleanup_free_ char *host = with_port(rest, tls);
    if (*host == ':')
        return error_set(err, ERROR_ENGINE, "engine 'tcp://%s' has no host", rest);
    out->base = xasprintf("%s://%s", tls ? "https" : "http", host);
    return 0;
}

static int parse_https(struct endpoint *out, const char *rest, bool tls, struct error *err)
{
    (void)tls;
    return parse_tcp(out, rest, true, err);
}

static int parse_ssh(struct endpoint *out, const char *rest, bool tls, struct error *err)
{
    (void)out;
    (void)tls;
    return error_set(err, ERROR_ENGINE,
                     "engine 'ssh://%s': ssh is not supported; forward its socket with "
                     "'ssh -nNT -L /tmp/engine.sock:/var/run/docker.sock %s' and use "
                     "--host unix:///tmp/engine.sock",
                     rest, rest);
}

static const struct {
    const char *prefix;
    int (*parse)(struct endpoint *, const char *rest, bool tls, struct error *err);
} schemes[] = {
    {"unix://", parse_unix},   {"tcp://", parse_tcp}, {"http://", parse_tcp},
    {"https://", parse_https}, {"ssh://", parse_ssh},
};

static int parse(struct endpoint *out, const char *host, bool tls, struct error *err)
{
    out->where = xstrdup(host);
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        size_t len = strlen(schemes[i].prefix);
        if (strncmp(host, schemes[i].prefix, len) == 0)
            return schemes[i].parse(out, host + len, tls, err);
    }
    return error_set(err, ERROR_ENGINE,
                     "engine '%s' is not understood: write unix:///PATH or tcp://HOST:PORT", host);
}

/* A host as DOCKER_HOST gives it, with DOCKER_TLS_VERIFY and DOCKER_CERT_PATH. */
static int from_host(const char *host, const struct endpoint_env *env, struct endpoints *out,
                     struct error *err)
{
    struct endpoint *endpoint = vec_push(out);
    if (parse(endpoint, host, env->tls_verify != NULL, err) < 0)
        return -1;
    if (strncmp(endpoint->base, "https:", 6) != 0)
        return 0;

    _cleanup_free_ char *config = endpoint_config_dir(env);
    const char *dir = env->cert_path ? env->cert_path : config;
    if (dir)
        load_certificates(endpoint, dir);
    if (env->cert_path && !endpoint->ca)
        return error_set(err, ERROR_ENGINE, "DOCKER_CERT_PATH '%s' has no readable ca.pem",
                         env->cert_path);
    return 0;
}

static json_t *read_json(const char *path)
{
    struct strbuf text _cleanup_strbuf_ = STRBUF_INIT;
    if (strbuf_read_file(&text, path, CONFIG_MAX_BYTES) < 0)
        return NULL;
    return json_loadb(text.buf, text.len, 0, NULL);
}

/* The context's own directory is named by a digest of its name: looking into each is simpler, and
   there are few. Returns its meta.json and that directory's name, or NULL. */
static json_t *find_context(const char *config_dir, const char *name, char **id)
{
    _cleanup_free_ char *pattern = xasprintf("%s/contexts/meta/*/meta.json", config_dir);
    glob_t found = {0};
    json_t *meta = NULL;
    if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc && !meta; i++) {
            meta = read_json(found.gl_pathv[i]);
            if (strcmp(json_string_at(meta, "Name", ""), name) != 0) {
                json_decref(meta);
                meta = NULL;
                continue;
            }
            const char *end = strrchr(found.gl_pathv[i], '/');
            const char *start = memrchr(found.gl_pathv[i], '/', (size_t)(end - found.gl_pathv[i]));
            *id = xstrndup(start + 1, (size_t)(end - start - 1));
        }
    }
    globfree(&found);
    return meta;
}

static int from_context(const char *name, const char *config_dir, struct endpoints *out,
                        struct error *err)
{
    _cleanup_free_ char *id = NULL;
    _cleanup_json_ json_t *meta = config_dir ? find_context(config_dir, name, &id) : NULL;
    const char *host = json_string_at(meta, "Endpoints/docker/Host", NULL);
    if (!host)
        return error_set(err, ERROR_ENGINE,
                         "docker context '%s' does not exist or names no engine: "
                         "see 'docker context ls'",
                         name);

    _cleanup_free_ char *dir = xasprintf("%s/contexts/tls/%s/docker", config_dir, id);
    struct endpoint *endpoint = vec_push(out);
    if (parse(endpoint, host, access(dir, R_OK) == 0, err) < 0)
        return error_wrap(err, "docker context '%s'", name);
    load_certificates(endpoint, dir);
    endpoint->insecure = json_is_true(json_at(meta, "Endpoints/docker/SkipTLSVerify"));
    return 0;
}

static void add_socket(struct endpoints *out, const char *dir, const char *file)
{
    if (!dir)
        return;
    struct endpoint *endpoint = vec_push(out);
    endpoint->unix_path = xasprintf("%s/%s", dir, file);
    endpoint->where = xasprintf("unix://%s", endpoint->unix_path);
    endpoint->base = xstrdup("http://localhost");
}

static void usual_sockets(const struct endpoint_env *env, struct endpoints *out)
{
    add_socket(out, "/var/run", "docker.sock");
    add_socket(out, env->runtime_dir, "docker.sock");
    add_socket(out, env->runtime_dir, "podman/podman.sock");
    add_socket(out, "/run", "podman/podman.sock");
}

int endpoint_find(const struct engine_options *options, const struct endpoint_env *env,
                  struct endpoints *out, struct error *err)
{
    if (options->host)
        return from_host(options->host, env, out, err);
    const char *context = options->context;
    if (!context && env->docker_host)
        return from_host(env->docker_host, env, out, err);

    _cleanup_free_ char *dir = endpoint_config_dir(env);
    _cleanup_free_ char *file = dir ? xasprintf("%s/config.json", dir) : NULL;
    _cleanup_json_ json_t *config = file ? read_json(file) : NULL;
    if (!context)
        context = env->docker_context;
    if (!context)
        context = json_string_at(config, "currentContext", "default");
    if (*context && strcmp(context, "default") != 0)
        return from_context(context, dir, out, err);

    usual_sockets(env, out);
    return 0;
}

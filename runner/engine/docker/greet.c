/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/docker/greet.h"

#include <curl/curl.h>
#include <string.h>

#include <cleanroom/strbuf.h>

#include "engine/docker/json.h"

enum {
    TIMEOUT_MS = 10 * 1000,
    ANSWER_MAX_BYTES = 1024 * 1024,
};

struct hello {
    int api_max;
    int api_min;
    int64_t date;
    bool podman;
    char *version;
};

int greet_api_minor(const char *version)
{
    int major = 0, minor = 0, end = 0;
    if (sscanf(version, "%1d.%4d%n", &major, &minor, &end) != 2 || version[end] || major != 1)
        return 0;
    return minor;
}

int greet_negotiate(int engine_min, int engine_max, struct error *err)
{
    if (engine_max < API_OLDEST)
        return error_set(err, ERROR_ENGINE,
                         "the engine speaks API 1.%d, too old for us: Docker 19.03 (API 1.%d) "
                         "or newer is needed",
                         engine_max, API_OLDEST);
    if (engine_min > API_NEWEST)
        return error_set(err, ERROR_ENGINE,
                         "the engine speaks API 1.%d and newer, we up to 1.%d: "
                         "a newer cleanroom is needed",
                         engine_min, API_NEWEST);
    return engine_max < API_NEWEST ? engine_max : API_NEWEST;
}

static void take_version(struct hello *hello, const char *server)
{
    /* "Docker/20.10.24+dfsg1 (linux)", "Libpod/4.3.1 (linux)" */
    const char *slash = strchr(server, '/');
    if (!slash || hello->version)
        return;
    hello->version = xstrndup(slash + 1, strcspn(slash + 1, " "));
    if (strncmp(server, "Libpod", 6) == 0)
        hello->podman = true;
}

static void on_header(void *data, const char *name, const char *value)
{
    struct hello *hello = data;
    if (strcasecmp(name, "Api-Version") == 0)
        hello->api_max = greet_api_minor(value);
    else if (strcasecmp(name, "Server") == 0)
        take_version(hello, value);
    else if (strcasecmp(name, "Libpod-Api-Version") == 0)
        hello->podman = true;
    else if (strcasecmp(name, "Date") == 0)
        hello->date = (int64_t)curl_getdate(value, NULL);
}

static json_t *get_json(struct http *http, const char *path, struct error *err)
{
    struct strbuf body _cleanup_strbuf_ = STRBUF_INIT;
    body.max = ANSWER_MAX_BYTES;
    int status = http_get_now(http, path, TIMEOUT_MS, NULL, NULL, &body, err);
    if (status < 0)
        return NULL;
    if (status != 200) {
        _cleanup_free_ char *message = json_error_message(body.buf, body.len);
        error_set(err, ERROR_ENGINE, "%s", message);
        return NULL;
    }
    return json_parse(body.buf, body.len, err);
}

/* Asked only when the ping did not tell enough, or tells of an engine newer than we are: on Docker
   this runs three programs for their versions. */
static int ask_version(struct http *http, struct hello *hello, struct error *err)
{
    _cleanup_json_ json_t *root = get_json(http, "/version", err);
    if (!root)
        return -1;
    hello->api_max = greet_api_minor(json_string_at(root, "ApiVersion", ""));
    hello->api_min = greet_api_minor(json_string_at(root, "MinAPIVersion", ""));
    replace_str(&hello->version, json_string_at(root, "Version", "unknown"));
    const json_t *components = json_at(root, "Components");
    for (size_t i = 0; i < json_array_size(components); i++)
        if (strstr(json_string_at(json_array_get(components, i), "Name", ""), "Podman"))
            hello->podman = true;
    if (hello->api_max == 0)
        return error_set(err, ERROR_ENGINE, "it is no container engine we know");
    return 0;
}

/* A unix socket ends on this machine. */
static int count_cpus(struct docker *docker)
{
    if (docker->http.endpoint.unix_path)
        return (int)sysconf(_SC_NPROCESSORS_ONLN);
    _cleanup_json_ json_t *root = get_json(&docker->http, "/info", NULL);
    return (int)json_integer_value(json_at(root, "NCPU"));
}

static int ping(struct docker *docker, struct hello *hello, bool *reached, struct error *err)
{
    struct strbuf body _cleanup_strbuf_ = STRBUF_INIT;
    body.max = ANSWER_MAX_BYTES;
    int status = http_get_now(&docker->http, "/_ping", TIMEOUT_MS, on_header, hello, &body, err);
    if (status < 0)
        return -1;
    *reached = true;
    if (status == 200 && hello->api_max > 0 && hello->version && hello->api_max <= API_NEWEST)
        return 0;
    return ask_version(&docker->http, hello, err);
}

int greet(struct docker *docker, bool *reached, struct error *err)
{
    struct hello hello = {0};
    int rc = ping(docker, &hello, reached, err);
    _cleanup_free_ char *version = hello.version;
    if (rc < 0)
        return -1;
    int api = greet_negotiate(hello.api_min, hello.api_max, err);
    if (api < 0)
        return -1;

    struct engine *engine = &docker->engine;
    docker->podman = hello.podman;
    docker->since = hello.date > 0 ? hello.date : clock_wall() / NSEC_PER_SEC;
    engine->cpus = count_cpus(docker);
    engine->kind = xstrdup(hello.podman ? "podman" : "docker");
    engine->version = xasprintf("%s (API 1.%d)", version, api);
    free(docker->http.prefix);
    docker->http.prefix = xasprintf("/v1.%d", api);
    return 0;
}

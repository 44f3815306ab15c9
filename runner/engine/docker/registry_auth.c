/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/docker/registry_auth.h"

#include <string.h>

#include <cleanroom/strbuf.h>

#include "engine/docker/base64.h"
#include "engine/docker/helper.h"
#include "engine/docker/json.h"

enum {
    CONFIG_MAX_BYTES = 4 * 1024 * 1024,
    HELPER_SECONDS = 10,
};

struct registry_auth {
    struct loop *loop;
    struct loop_timer timer;
    struct helper *helper;
    char *program;
    char *server;
    char *header;
    struct error err;
    registry_auth_fn fn;
    void *data;
};

const char *registry_auth_server(const char *domain)
{
    return strcmp(domain, "docker.io") == 0 ? "https://index.docker.io/v1/" : domain;
}

const char *registry_auth_helper(const json_t *config, const char *domain)
{
    const char *server = registry_auth_server(domain);
    const json_t *helpers = json_object_get(config, "credHelpers");
    const char *name = json_string_value(json_object_get(helpers, server));
    if (!name)
        name = json_string_value(json_object_get(helpers, domain));
    if (!name)
        name = json_string_value(json_object_get(config, "credsStore"));
    return name && *name ? name : NULL;
}

static char *encode(json_t *auth)
{
    if (!auth)
        return NULL;
    _cleanup_free_ char *text = json_dumps(auth, JSON_COMPACT);
    json_decref(auth);
    return base64url_encode(text, strlen(text));
}

static char *password_header(const char *user, const char *password, const char *server)
{
    return encode(json_pack("{s:s, s:s, s:s}", "username", user, "password", password,
                            "serveraddress", server));
}

static char *token_header(const char *token, const char *server)
{
    return encode(json_pack("{s:s, s:s}", "identitytoken", token, "serveraddress", server));
}

/* "https://registry.example/v2/" is an entry for registry.example. */
static bool names_domain(const char *key, const char *domain)
{
    const char *scheme = strstr(key, "://");
    const char *host = scheme ? scheme + 3 : key;
    size_t len = strcspn(host, "/");
    return strlen(domain) == len && strncmp(host, domain, len) == 0;
}

static const json_t *find_entry(const json_t *config, const char *domain)
{
    const json_t *auths = json_object_get(config, "auths");
    const json_t *entry = json_object_get(auths, registry_auth_server(domain));
    if (entry)
        return entry;
    json_t *all = (json_t *)auths;
    for (void *it = json_object_iter(all); it; it = json_object_iter_next(all, it))
        if (names_domain(json_object_iter_key(it), domain))
            return json_object_iter_value(it);
    return NULL;
}

char *registry_auth_from_config(const json_t *config, const char *domain)
{
    const json_t *entry = find_entry(config, domain);
    const char *server = registry_auth_server(domain);
    const char *token = json_string_at(entry, "identitytoken", "");
    if (*token)
        return token_header(token, server);

    struct strbuf plain _cleanup_strbuf_ = STRBUF_INIT;
    if (base64_decode(json_string_at(entry, "auth", ""), &plain) < 0)
        return NULL;
    char *colon = strchr(plain.buf, ':');
    if (!colon)
        return NULL;
    *colon = '\0';
    return password_header(plain.buf, colon + 1, server);
}

int registry_auth_from_answer(const char *text, size_t len, const char *server, char **header)
{
    _cleanup_json_ json_t *answer = json_loadb(text, len, 0, NULL);
    const char *user = json_string_at(answer, "Username", NULL);
    const char *secret = json_string_at(answer, "Secret", NULL);
    if (!user || !secret)
        return -1;
    *header = strcmp(user, "<token>") == 0 ? token_header(secret, server)
                                           : password_header(user, secret, server);
    return 0;
}

static void auth_free(struct registry_auth *auth)
{
    loop_timer_disarm(auth->loop, &auth->timer);
    helper_cancel(auth->helper);
    free(auth->program);
    free(auth->server);
    free(auth->header);
    error_clear(&auth->err);
    free(auth);
}

void registry_auth_cancel(struct registry_auth *auth)
{
    if (auth)
        auth_free(auth);
}

static void finish(void *data)
{
    struct registry_auth *auth = data;
    bool failed = error_is_set(&auth->err);
    auth->fn(auth->data, TAKE_PTR(auth->header), failed ? &auth->err : NULL);
    auth_free(auth);
}

static void on_helper(void *data, int status, const char *output, size_t len)
{
    struct registry_auth *auth = data;
    auth->helper = NULL; /* it frees itself */
    if (status != 0 && memmem(output, len, "credentials not found", 21)) {
        finish(auth);
        return;
    }
    if (status != 0 || registry_auth_from_answer(output, len, auth->server, &auth->header) < 0) {
        _cleanup_free_ char *words = json_one_line(xstrndup(output, len < 200 ? len : 200));
        /* What it printed with success may be half a secret. */
        error_set(&auth->err, ERROR_ENGINE, "%s failed for '%s': %s", auth->program, auth->server,
                  status == HELPER_TIMEOUT ? "it did not answer within 10 s"
                  : status == 0            ? "its answer has no Username and Secret"
                  : *words                 ? words
                                           : "it gave no reason");
    }
    finish(auth);
}

static int start_helper(struct registry_auth *auth, const char *name)
{
    auth->program = xasprintf("docker-credential-%s", name);
    const char *argv[] = {auth->program, "get", NULL};
    auth->helper = helper_new(auth->loop, argv, auth->server,
                              clock_now() + HELPER_SECONDS * NSEC_PER_SEC, on_helper, auth,
                              &auth->err);
    return auth->helper ? 0 : -1;
}

static json_t *read_config(const char *config_dir)
{
    struct strbuf text _cleanup_strbuf_ = STRBUF_INIT;
    _cleanup_free_ char *path = xasprintf("%s/config.json", config_dir);
    if (strbuf_read_file(&text, path, CONFIG_MAX_BYTES) < 0)
        return NULL;
    return json_loadb(text.buf, text.len, 0, NULL);
}

struct registry_auth *registry_auth_new(struct loop *loop, const char *config_dir,
                                        const char *domain, registry_auth_fn fn, void *data)
{
    struct registry_auth *auth = xcalloc(1, sizeof(*auth));
    *auth = (struct registry_auth){
        .loop = loop,
        .server = xstrdup(registry_auth_server(domain)),
        .fn = fn,
        .data = data,
    };
    _cleanup_json_ json_t *config = config_dir ? read_config(config_dir) : NULL;
    const char *helper = registry_auth_helper(config, domain);
    if (helper && start_helper(auth, helper) == 0)
        return auth;
    if (!helper)
        auth->header = registry_auth_from_config(config, domain);
    loop_timer_arm(loop, &auth->timer, 1, finish, auth);
    return auth;
}

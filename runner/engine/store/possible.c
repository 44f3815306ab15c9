/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an image could be had, before anything is begun. */
#include <sys/stat.h>

#include "engine/docker/api.h"
#include "engine/docker/http.h"
#include "engine/docker/reference.h"
#include "engine/store/registry.h"
#include "engine/store/resolve.h"

#define ASK_MS 2000

/* Takes what it needs of the endpoint. */
static bool daemon_has(struct endpoint *endpoint, const char *lookup)
{
    struct stat st;
    if (!endpoint->unix_path || stat(endpoint->unix_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    struct http http = {.endpoint = *endpoint, .prefix = xstrdup("")};
    struct strbuf body _cleanup_strbuf_ = STRBUF_INIT;
    struct http_request request = api_image_inspect(lookup);
    *endpoint = (struct endpoint){0};
    int status = http_get_now(&http, request.path, ASK_MS, NULL, NULL, &body, NULL);
    http_request_deinit(&request);
    http_deinit(&http);
    return status == 200;
}

static bool any_daemon_has(const char *lookup)
{
    struct endpoints daemons = {0};
    const struct endpoint_env env = endpoint_env_get();
    (void)endpoint_find(&(struct engine_options){0}, &env, &daemons, NULL);
    bool found = false;
    for (size_t i = 0; i < daemons.len && !found; i++)
        found = daemon_has(&daemons.items[i], lookup);
    endpoints_deinit(&daemons);
    return found;
}

int resolve_possible(struct store *store, const char *text, struct strbuf *why)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    struct store_image image;
    struct reference ref;
    int found = store_find(store, text, &image, &err);
    if (found > 0)
        store_image_release(&image);
    if (found < 0)
        strbuf_adds(why, err.message);
    if (found != 0 || reference_parse(&ref, text, NULL) < 0)
        return found > 0;

    bool possible = any_daemon_has(ref.lookup);
    if (!possible && ref.is_id)
        strbuf_addf(why, "image '%s' is neither in the store nor in a local Docker or Podman",
                    text);
    else if (!possible)
        possible = registry_possible(text, why);
    reference_deinit(&ref);
    return possible;
}

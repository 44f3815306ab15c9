/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/registry.h"

#include <string.h>

#include <cleanroom/vec.h>

static bool is_in_path(const char *program)
{
    const char *path = getenv("PATH");
    _cleanup_strvec_ struct strvec dirs = STRVEC_INIT;
    strvec_split(&dirs, path ? path : "/usr/bin:/bin", ":");
    for (size_t i = 0; i < dirs.len; i++) {
        _cleanup_free_ char *file = xasprintf("%s/%s", dirs.items[i], program);
        if (access(file, X_OK) == 0)
            return true;
    }
    return false;
}

bool registry_possible(const char *ref, struct strbuf *why)
{
    if (is_in_path("skopeo"))
        return true;
    strbuf_addf(why,
                "image '%s' is neither in the store nor in a local Docker or Podman, and skopeo, "
                "which fetches it from a registry, is not there: apt-get install skopeo",
                ref);
    return false;
}

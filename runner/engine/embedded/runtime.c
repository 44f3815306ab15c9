/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/runtime.h"

#include <cleanroom/vec.h>

char *runtime_look(const char *name)
{
    _cleanup_strvec_ struct strvec dirs = STRVEC_INIT;
    strvec_split(&dirs, getenv("PATH") ? getenv("PATH") : "", ":");
    strvec_split(&dirs, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ":");
    for (size_t i = 0; i < dirs.len; i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", dirs.items[i], name);
        if (*path == '/' && access(path, X_OK) == 0)
            return TAKE_PTR(path);
    }
    return NULL;
}

char *runtime_find(struct error *err)
{
    char *path = runtime_look("crun");
    if (!path)
        path = runtime_look("runc");
    if (!path)
        error_set(err, ERROR_ENGINE,
                  "neither crun nor runc is installed; install crun (apt-get install crun)");
    return path;
}

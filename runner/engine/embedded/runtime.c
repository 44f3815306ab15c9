/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include <cleanroom/vec.h>

/* Since Linux 6.3, where some settings want it said. */
#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

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

bool runtime_is_crun(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strcmp(slash ? slash + 1 : path, "crun") == 0;
}

static int memory_file(void)
{
    int fd = memfd_create("runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
    return fd < 0 && errno == EINVAL ? memfd_create("runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING)
                                     : fd;
}

int runtime_seal(const char *path)
{
    _cleanup_close_ int from = open(path, O_RDONLY | O_CLOEXEC);
    _cleanup_close_ int to = memory_file();
    struct stat st;
    if (from < 0 || to < 0 || fstat(from, &st) < 0)
        return -1;
    for (off_t at = 0; at < st.st_size;)
        if (sendfile(to, from, &at, (size_t)(st.st_size - at)) <= 0)
            return -1;
    if (fchmod(to, 0500) < 0 ||
        fcntl(to, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        return -1;
    return TAKE_FD(to);
}

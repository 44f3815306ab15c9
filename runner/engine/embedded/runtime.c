/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include <cleanroom/vec.h>

#include "base/process.h"

/* Since Linux 6.3, where some settings want it said. */
#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

char *runtime_find(struct error *err)
{
    char *path = process_find_tool("crun");
    if (!path)
        path = process_find_tool("runc");
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

static int executable_in_memory(void)
{
    int fd = memfd_create("runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
    return fd < 0 && errno == EINVAL ? memfd_create("runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING)
                                     : fd;
}

int runtime_seal(const char *path)
{
    _cleanup_close_ int from = open(path, O_RDONLY | O_CLOEXEC);
    _cleanup_close_ int to = executable_in_memory();
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

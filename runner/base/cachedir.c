/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cachedir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <cleanroom/mem.h>

#include "base/file.h"

char *cachedir_path(const char *name)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache == '/')
        return xasprintf("%s/cleanroom/%s", cache, name);
    return home && *home == '/' ? xasprintf("%s/.cache/cleanroom/%s", home, name) : NULL;
}

/* What lies there is executed one day, and removed. */
static int check_ours(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -1;
    errno = EPERM;
    return st.st_uid == geteuid() && !(st.st_mode & 022) ? 0 : -1;
}

int cachedir_open(const char *name)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
    _cleanup_free_ char *path = cachedir_path(name);
    if (!path) {
        errno = ENOENT;
        return -1;
    }
    _cleanup_close_ int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && file_make_dirs(path, 0700) == 0)
        fd = open(path, flags | O_CLOEXEC);
    return fd < 0 || check_ours(fd) < 0 ? -1 : TAKE_FD(fd);
}

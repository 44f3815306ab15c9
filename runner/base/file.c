/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cleanroom/mem.h>

int file_write_all(int fd, const void *bytes, size_t len)
{
    const char *p = bytes;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int file_write_all_at(int fd, const void *bytes, size_t len, off_t at)
{
    const char *p = bytes;
    while (len > 0) {
        ssize_t n = pwrite(fd, p, len, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        p += n;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int file_make_dirs(const char *path, mode_t mode)
{
    _cleanup_free_ char *partial = xstrdup(path);
    for (char *slash = partial; *slash && (slash = strchr(slash + 1, '/')); *slash = '/') {
        *slash = '\0';
        if (mkdir(partial, mode) < 0 && errno != EEXIST)
            return -1;
    }
    return mkdir(path, mode) < 0 && errno != EEXIST ? -1 : 0;
}

int file_in_memory(const void *bytes, size_t len)
{
    _cleanup_close_ int fd = memfd_create("cleanroom", MFD_CLOEXEC);
    if (fd < 0 || file_write_all(fd, bytes, len) < 0 || lseek(fd, 0, SEEK_SET) != 0)
        return -1;
    return TAKE_FD(fd);
}

int file_open_in_root(int root, const char *path, int flags)
{
    const struct open_how how = {.flags = (uint64_t)flags | O_CLOEXEC,
                                 .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

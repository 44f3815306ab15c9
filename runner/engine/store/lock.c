/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cleanroom/mem.h>

int lock_is_named(int fd, int dir, const char *name)
{
    struct stat open_one, named;
    return fstat(fd, &open_one) == 0 && fstatat(dir, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino;
}

static int lock(int fd, int how)
{
    int r;
    do {
        r = flock(fd, how);
    } while (r < 0 && errno == EINTR);
    return r;
}

int lock_open(int dir, const char *name, int flags, int how)
{
    for (;;) {
        int fd = openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return -1;
        if (lock(fd, how) < 0) {
            int why = errno;
            close(fd);
            errno = why;
            return -1;
        }
        if (lock_is_named(fd, dir, name))
            return fd;
        close(fd);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "run/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cleanroom/mem.h>

#include "base/cachedir.h"

#define LEASES_DIRECTORY "leases"

/* A file that its remover has unlinked meanwhile is nobody's lease: another one is made. */
static bool lock(const char *key, int how, int *out)
{
    _cleanup_close_ int dir = cachedir_open(LEASES_DIRECTORY);
    *out = -1;
    while (dir >= 0) {
        struct stat st;
        _cleanup_close_ int fd = openat(dir, key, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                                        0600);
        if (fd < 0)
            return true;
        if (flock(fd, how | LOCK_NB) < 0)
            return errno != EWOULDBLOCK;
        if (fstat(fd, &st) == 0 && st.st_nlink > 0) {
            *out = TAKE_FD(fd);
            return true;
        }
    }
    return true;
}

bool lease_take(const char *key, int *fd)
{
    bool taken = lock(key, LOCK_SH, fd);
    if (*fd >= 0)
        (void)futimens(*fd, NULL); /* used now */
    return taken;
}

bool lease_seize(const char *key, int *fd)
{
    return lock(key, LOCK_EX, fd);
}

void lease_end(const char *key, int fd)
{
    _cleanup_close_ int dir = cachedir_open(LEASES_DIRECTORY);
    if (dir >= 0)
        (void)unlinkat(dir, key, 0);
    if (fd >= 0)
        close(fd);
}

static int open_lease(const char *key)
{
    _cleanup_close_ int dir = cachedir_open(LEASES_DIRECTORY);
    return dir < 0 ? -1 : openat(dir, key, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

bool lease_look(const char *key, nsec_t *used)
{
    _cleanup_close_ int fd = open_lease(key);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return false;
    *used = (nsec_t)st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec;
    return true;
}

bool lease_in_use(const char *key)
{
    _cleanup_close_ int fd = open_lease(key);
    return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

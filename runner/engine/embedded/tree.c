/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <cleanroom/mem.h>

static int remove_entries(DIR *entries)
{
    int failed = 0;
    for (struct dirent *e; (e = readdir(entries));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (tree_remove(dirfd(entries), e->d_name) < 0 && !failed)
            failed = errno;
    }
    return failed;
}

int tree_remove(int dir, const char *name)
{
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -1;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
    if (!entries)
        return -1;
    int failed = remove_entries(entries);
    (void)closedir(entries);
    if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    errno = failed ? failed : errno;
    return -1;
}

int tree_empty(const char *path)
{
    DIR *entries = opendir(path);
    if (!entries)
        return errno == ENOENT ? 0 : -1;
    int failed = remove_entries(entries);
    (void)closedir(entries);
    errno = failed;
    return failed ? -1 : 0;
}

int tree_write(const char *path, const char *text, unsigned mode)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return -1;
    for (size_t left = strlen(text); left;) {
        ssize_t n = write(fd, text, left);
        if (n < 0)
            return -1;
        text += n;
        left -= (size_t)n;
    }
    return 0;
}

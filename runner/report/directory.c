/* SPDX-License-Identifier: Apache-2.0 */
#include "report/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <cleanroom/mem.h>

#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Deeper than anything that is ever unpacked. */
#define DEPTH_LIMIT 64

int directory_enter(int dir, const char *name)
{
    if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
        return -1;
    return openat(dir, name, OPEN_DIRECTORY);
}

static void cleanup_closedirp(DIR **stream)
{
    if (*stream)
        closedir(*stream);
}

static int remove_at(int dir, const char *name, int depth);

static int remove_content(int dir, int depth)
{
    _cleanup_(cleanup_closedirp) DIR *stream = fdopendir(dir);
    if (!stream) {
        close(dir);
        return -1;
    }
    errno = 0;
    for (struct dirent *entry; (entry = readdir(stream));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (remove_at(dirfd(stream), entry->d_name, depth + 1) < 0)
            return -1;
        errno = 0;
    }
    return errno ? -1 : 0;
}

static int remove_at(int dir, const char *name, int depth)
{
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -1;
    if (depth > DEPTH_LIMIT) {
        errno = ELOOP;
        return -1;
    }
    int content = openat(dir, name, OPEN_DIRECTORY);
    if (content < 0 || remove_content(content, depth) < 0)
        return -1;
    return unlinkat(dir, name, AT_REMOVEDIR);
}

int directory_remove(int dir, const char *name)
{
    return remove_at(dir, name, 0);
}

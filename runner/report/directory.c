/* SPDX-License-Identifier: Apache-2.0 */
#include "report/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <cleanroom/mem.h>

/* Deeper than anything that is ever unpacked. */
#define DEPTH_LIMIT 64

static int open_directory(int dir, const char *name)
{
    return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int directory_enter(int dir, const char *name)
{
    if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
        return -1;
    return open_directory(dir, name);
}

static int read_names(DIR *stream, struct strvec *names)
{
    for (;;) {
        errno = 0;
        /* One thread, one stream: what cppcheck warns of cannot be. */
        const struct dirent *entry = readdir(stream);
        if (!entry)
            return errno ? -1 : 0;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            strvec_push(names, entry->d_name);
    }
}

int directory_list(int dir, struct strvec *names)
{
    /* A description of its own: the stream moves its offset and closes it. */
    int copy = open_directory(dir, ".");
    DIR *stream = copy < 0 ? NULL : fdopendir(copy);
    if (!stream) {
        if (copy >= 0)
            close(copy);
        return -1;
    }
    int status = read_names(stream, names);
    int errnum = errno;
    closedir(stream);
    errno = errnum;
    return status;
}

static int remove_at(int dir, const char *name, int depth);

static int remove_content(int dir, int depth)
{
    _cleanup_strvec_ struct strvec names = STRVEC_INIT;
    if (directory_list(dir, &names) < 0)
        return -1;
    for (size_t i = 0; i < names.len; i++)
        if (remove_at(dir, names.items[i], depth + 1) < 0)
            return -1;
    return 0;
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
    _cleanup_close_ int content = open_directory(dir, name);
    if (content < 0 || remove_content(content, depth) < 0)
        return -1;
    return unlinkat(dir, name, AT_REMOVEDIR);
}

int directory_remove(int dir, const char *name)
{
    return remove_at(dir, name, 0);
}

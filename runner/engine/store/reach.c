/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/reach.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cleanroom/mem.h>

#define TREE_CLONE 1 /* OPEN_TREE_CLONE, which older headers lack */

/* One line of proc(5)'s mountinfo. */
struct mount_line {
    unsigned long long id;
    char device[32];
    char root[PATH_MAX];  /* what of the file system is mounted ... */
    char point[PATH_MAX]; /* ... and where */
};

/* "\040" is a blank. */
static void unescape(char *text)
{
    char *out = text;
    for (const char *in = text; *in; out++) {
        if (in[0] == '\\' && in[1] && in[2] && in[3]) {
            *out = (char)((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0'));
            in += 4;
        } else {
            *out = *in++;
        }
    }
    *out = '\0';
}

static bool is_id(const struct mount_line *line, const void *id)
{
    return line->id == *(const unsigned long long *)id;
}

/* Of that device, and all of it. */
static bool is_whole(const struct mount_line *line, const void *device)
{
    return strcmp(line->device, device) == 0 && strcmp(line->root, "/") == 0;
}

static int find_mount(bool (*wanted)(const struct mount_line *, const void *), const void *what,
                      struct mount_line *out)
{
    _cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
    _cleanup_free_ char *line = NULL;
    size_t cap = 0;
    while (f && getline(&line, &cap, f) >= 0) {
        if (sscanf(line, "%llu %*u %31s %4095s %4095s", &out->id, out->device, out->root,
                   out->point) != 4)
            continue;
        unescape(out->root);
        unescape(out->point);
        if (wanted(out, what))
            return 0;
    }
    return -1;
}

/* Where in its file system a directory is; release with free(). NULL when that cannot be told. */
static char *path_within(int dir, struct mount_line *mount)
{
    struct statx st;
    char link[64], path[PATH_MAX];
    if (statx(dir, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0 || !(st.stx_mask & STATX_MNT_ID))
        return NULL;
    unsigned long long id = st.stx_mnt_id;
    if (find_mount(is_id, &id, mount) < 0)
        return NULL;
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
    ssize_t len = readlink(link, path, sizeof(path) - 1);
    if (len <= 0)
        return NULL;
    path[len] = '\0';
    size_t skip = strcmp(mount->point, "/") == 0 ? 0 : strlen(mount->point);
    if (strncmp(path, mount->point, skip) != 0)
        return NULL;
    return xasprintf("%s/%s", strcmp(mount->root, "/") == 0 ? "" : mount->root, path + skip);
}

static int open_same(int top, const char *path, int original)
{
    struct stat was, is;
    int fd = openat(top, path + strspn(path, "/"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && fstat(original, &was) == 0 && fstat(fd, &is) == 0 && was.st_dev == is.st_dev &&
        was.st_ino == is.st_ino)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

int reach_both(int dir_a, int dir_b, int *a, int *b)
{
    struct mount_line mount_a, mount_b, whole;
    _cleanup_free_ char *path_a = path_within(dir_a, &mount_a);
    _cleanup_free_ char *path_b = path_a ? path_within(dir_b, &mount_b) : NULL;
    if (!path_b || strcmp(mount_a.device, mount_b.device) != 0 ||
        find_mount(is_whole, mount_a.device, &whole) < 0)
        return -1;
    _cleanup_close_ int top = (int)syscall(SYS_open_tree, AT_FDCWD, whole.point,
                                           TREE_CLONE | O_CLOEXEC);
    if (top < 0)
        return -1;
    *a = open_same(top, path_a, dir_a);
    *b = *a < 0 ? -1 : open_same(top, path_b, dir_b);
    if (*b >= 0)
        return 0;
    if (*a >= 0)
        close(*a);
    return -1;
}

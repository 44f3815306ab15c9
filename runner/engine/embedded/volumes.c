/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/file.h"
#include "engine/store/tree.h"

static bool is_empty(int dir)
{
    _cleanup_strvec_ struct strvec names = STRVEC_INIT;
    return tree_names(dir, &names) == 0 && names.len == 0;
}

int volumes_fill(const char *volume, int root, const char *target, struct error *err)
{
    _cleanup_close_ int from = file_open_in_root(root, target, O_RDONLY | O_DIRECTORY);
    if (from < 0)
        return 0;
    _cleanup_close_ int to = open(volume, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (to < 0 || !is_empty(to))
        return 0;
    struct tree_copy copy = {0};
    if (tree_copy(&copy, from, to, err) < 0)
        return error_wrap(err, "filling the volume on '%s'", target);
    struct stat st;
    if (fstat(from, &st) < 0 || fchown(to, st.st_uid, st.st_gid) < 0 ||
        fchmod(to, st.st_mode & 07777) < 0)
        return error_set_errno(err, ERROR_ENGINE, errno,
                               "the volume on '%s' could not be given its owner", target);
    return 0;
}

/* A volume's target may not be there before the container was started once. */
int volumes_target(int root, const char *path)
{
    int fd = file_open_in_root(root, path, O_PATH | O_DIRECTORY);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    _cleanup_free_ char *parent = xstrdup(path);
    char *slash = strrchr(parent, '/');
    if (!slash || !slash[1])
        return -1;
    *slash = '\0';
    _cleanup_close_ int above = volumes_target(root, slash == parent ? "/" : parent);
    if (above < 0 || mkdirat(above, slash + 1, 0755) < 0)
        return -1;
    return file_open_in_root(root, path, O_PATH | O_DIRECTORY);
}

int volumes_mount(const char *volume, int root, const char *target)
{
    _cleanup_close_ int at = volumes_target(root, target);
    _cleanup_close_ int tree =
        at < 0 ? -1 : open_tree(AT_FDCWD, volume, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NODEV};
    if (tree < 0)
        return -1;
    /* Since Linux 5.12; on a tmpfs of the keeper's it is so anyway. */
    (void)mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes));
    return move_mount(tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/fill.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "engine/store/tree.h"

static bool is_empty(int dir)
{
    _cleanup_strvec_ struct strvec names = STRVEC_INIT;
    return tree_names(dir, &names) == 0 && names.len == 0;
}

int fill_volume(const char *volume, int root, const char *target, struct error *err)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    _cleanup_close_ int from = (int)syscall(SYS_openat2, root, target, &how, sizeof(how));
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening the store. What lies in it is run, by root perhaps, and what is rubbish in it is removed:
 * so it must be nobody else's, and be a store. A path may lead through a home of another user's
 * (sudo -E), who could have put anything there; below the top no symbolic link is followed.
 */
#include "engine/store/place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cleanroom/log.h>

#include "base/file.h"
#include "engine/store/tree.h"

/* A file that says how what lies here came to be. Stores from before it may hold nodes of devices,
   which an image could reach this machine by. */
#define LAYOUT "layout-2"
#define REMEDY "name another place by XDG_CACHE_HOME"

static int cannot(const struct store *store, struct error *err)
{
    return error_set_errno(err, ERROR_INTERNAL, errno, "cannot keep images in '%s'", store->path);
}

static int check_owner(const struct store *store, int fd, const char *name, struct error *err)
{
    struct stat st;
    const char *slash = *name ? "/" : "";
    if (fstat(fd, &st) < 0)
        return cannot(store, err);
    if (st.st_uid != geteuid())
        return error_set(err, ERROR_CONFIG,
                         "cannot keep images in '%s%s%s', which belongs to another user; " REMEDY,
                         store->path, slash, name);
    if (st.st_mode & 022)
        return error_set(err, ERROR_CONFIG,
                         "cannot keep images in '%s%s%s', where others may write; " REMEDY,
                         store->path, slash, name);
    return 0;
}

/* --- its layout ------------------------------------------------------------------------------ */

static const char *const directories[] = {"layers", "images", "refs", "tmp"};

/* What else there may be: the embedded engine's, and a file system's. */
static bool is_known(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
        if (strcmp(name, directories[i]) == 0)
            return true;
    return strcmp(name, "scratch") == 0 || strcmp(name, "lost+found") == 0 ||
           strcmp(name, LAYOUT) == 0;
}

static int check_names(const struct store *store, struct error *err)
{
    _cleanup_strvec_ struct strvec names = STRVEC_INIT;
    if (tree_names(store->top, &names) < 0)
        return cannot(store, err);
    for (size_t i = 0; i < names.len; i++)
        if (!is_known(names.items[i]))
            return error_set(
                err, ERROR_CONFIG,
                "cannot keep images in '%s', which holds '%s' and is no store; " REMEDY,
                store->path, names.items[i]);
    return 0;
}

static int open_below(struct store *store, const char *name, struct error *err)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
    _cleanup_close_ int fd = openat(store->top, name, flags | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        if (mkdirat(store->top, name, 0700) < 0 && errno != EEXIST)
            return cannot(store, err);
        fd = openat(store->top, name, flags | O_CLOEXEC);
    }
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
        return error_set(err, ERROR_CONFIG,
                         "cannot keep images in '%s/%s', which is no directory; " REMEDY,
                         store->path, name);
    if (fd < 0)
        return cannot(store, err);
    return check_owner(store, fd, name, err) < 0 ? -1 : TAKE_FD(fd);
}

static bool has_layout(const struct store *store)
{
    return faccessat(store->top, LAYOUT, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* What was there becomes rubbish, which the next import removes. */
static int begin_anew(const struct store *store, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
        char old[TMP_NAME_SIZE];
        tmp_name(old, "old");
        if (strcmp(directories[i], "tmp") != 0 &&
            renameat(store->top, directories[i], store->tmp, old) < 0 && errno != ENOENT)
            return cannot(store, err);
    }
    _cleanup_close_ int fd = openat(store->top, LAYOUT,
                                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? cannot(store, err) : 0;
}

/* Of several that come first at once, one does it. */
static int make_layout(const struct store *store, struct error *err)
{
    if (has_layout(store))
        return 0;
    if (flock(store->top, LOCK_EX) < 0)
        return cannot(store, err);
    int r = has_layout(store) ? 0 : begin_anew(store, err);
    (void)flock(store->top, LOCK_UN);
    return r;
}

/* There are programs in it that become root: they are for containers only. */
static void keep_private(int top)
{
    struct stat st;
    if (fstat(top, &st) == 0 && (st.st_mode & 077))
        (void)fchmod(top, 0700);
}

int place_open(struct store *store, struct error *err)
{
    store->top = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->top < 0 && errno == ENOENT && file_make_dirs(store->path, 0700) == 0)
        store->top = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->top < 0)
        return cannot(store, err);
    if (check_owner(store, store->top, "", err) < 0 ||
        (!has_layout(store) && check_names(store, err) < 0))
        return -1;
    keep_private(store->top);
    store->tmp = open_below(store, "tmp", err);
    if (store->tmp < 0 || make_layout(store, err) < 0)
        return -1;
    return (store->layers = open_below(store, "layers", err)) < 0 ||
                   (store->images = open_below(store, "images", err)) < 0 ||
                   (store->refs = open_below(store, "refs", err)) < 0
               ? -1
               : 0;
}

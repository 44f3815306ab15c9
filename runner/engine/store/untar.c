/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/untar.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <archive.h>
#include <archive_entry.h>

#include "base/file.h"
#include "engine/store/tree.h"

#define WHITEOUT    ".wh."
#define OPAQUE      ".wh..wh..opq"
#define AUFS        ".wh..wh." /* what else one union file system kept by such names */
#define DEPTH_MAX   1024
#define NAME_LENGTH 4096

/* More than any image; an archive that holds more is a bomb. */
#define BYTES_MAX   (UINT64_C(256) << 30)
#define ENTRIES_MAX (UINT64_C(8) << 20)
/* Of which a later link is known for one: no image has more. */
#define DEVICES_MAX 1024

void untar_init(struct untar *u, int dir, bool user_namespace)
{
    *u = (struct untar){.dir = dir,
                        .user_namespace = user_namespace,
                        .max_bytes = BYTES_MAX,
                        .max_entries = ENTRIES_MAX,
                        .parent = -1};
}

static void forget_parent(struct untar *u)
{
    if (u->parent >= 0)
        close(u->parent);
    u->parent = -1;
    replace_str(&u->parent_name, NULL);
}

void untar_deinit(struct untar *u)
{
    forget_parent(u);
    strvec_deinit(&u->devices);
    for (size_t i = 0; i < u->times.len; i++)
        free(u->times.items[i].path);
    vec_deinit(&u->times);
}

/* --- names ----------------------------------------------------------------------------------- */

/* A name of the archive, split into its last component and what is before it. */
struct name {
    char *parent; /* "" is the top */
    char *base;   /* "" is the top itself */
};

static void name_deinit(struct name *name)
{
    free(name->parent);
    free(name->base);
}

/* -1: it has "..", or is beyond all measure. A leading slash means the top, as everywhere. */
static int name_parse(struct name *out, const char *text)
{
    *out = (struct name){0};
    _cleanup_strvec_ struct strvec all = STRVEC_INIT, parts = STRVEC_INIT;
    if (!text || strlen(text) >= NAME_LENGTH)
        return -1;
    strvec_split(&all, text, "/");
    for (size_t i = 0; i < all.len; i++) {
        if (strcmp(all.items[i], "..") == 0)
            return -1;
        if (strcmp(all.items[i], ".") != 0)
            strvec_push(&parts, all.items[i]);
    }
    if (parts.len > DEPTH_MAX)
        return -1;
    out->base = parts.len ? xstrdup(parts.items[parts.len - 1]) : xstrdup("");
    if (parts.len) {
        free(parts.items[--parts.len]);
        parts.items[parts.len] = NULL;
    }
    out->parent = parts.len ? strvec_join(&parts, "/") : xstrdup("");
    return 0;
}

static int open_in_root(const struct untar *u, const char *path, int flags)
{
    return file_open_in_root(u->dir, *path ? path : ".", flags);
}

/* Makes what is missing of a path, as tar does: 0755 and root's. */
static int make_path(const struct untar *u, const char *path)
{
    _cleanup_free_ char *partial = xstrdup(path);
    _cleanup_close_ int dir = open_in_root(u, "", O_PATH | O_DIRECTORY);
    for (char *start = partial, *slash; dir >= 0 && start; start = slash ? slash + 1 : NULL) {
        slash = strchr(start, '/');
        if (slash)
            *slash = '\0';
        int next = open_in_root(u, partial, O_PATH | O_DIRECTORY);
        if (next < 0 && errno == ENOENT && mkdirat(dir, start, 0700) == 0 &&
            fchmodat(dir, start, 0755, 0) == 0)
            next = open_in_root(u, partial, O_PATH | O_DIRECTORY);
        if (next < 0)
            return -1;
        close(dir);
        dir = next;
        if (slash)
            *slash = '/';
    }
    return dir < 0 ? -1 : 0;
}

/* The directory of that path, made if need be; borrowed until the next call. -1 with errno. */
static int enter(struct untar *u, const char *path)
{
    if (u->parent >= 0 && strcmp(u->parent_name, path) == 0)
        return u->parent;
    int dir = open_in_root(u, path, O_RDONLY | O_DIRECTORY);
    if (dir < 0 && errno == ENOENT && make_path(u, path) == 0)
        dir = open_in_root(u, path, O_RDONLY | O_DIRECTORY);
    if (dir < 0)
        return -1;
    forget_parent(u);
    u->parent = dir;
    u->parent_name = xstrdup(path);
    return dir;
}

/* --- errors ---------------------------------------------------------------------------------- */

static int broken(struct archive *a, struct error *err)
{
    const char *why = archive_error_string(a);
    return error_set(err, ERROR_ENGINE, "the layer cannot be unpacked: %s",
                     why ? why : "it is no tar archive");
}

static int failed(const char *path, struct error *err)
{
    int why = errno;
    if (why == EINVAL || why == EPERM)
        return error_set_errno(err, ERROR_INTERNAL, why,
                               "cannot unpack '%s' with its owner and attributes", path);
    if (why == ELOOP || why == ENOTDIR || why == EXDEV || why == EEXIST || why == ENAMETOOLONG)
        return error_set_errno(err, ERROR_ENGINE, why, "the layer's '%s' cannot be", path);
    return error_set_errno(err, ERROR_INTERNAL, why, "cannot unpack '%s'", path);
}

/* --- whiteouts ------------------------------------------------------------------------------- */

static int set_opaque(const struct untar *u, int dir)
{
    return fsetxattr(dir, u->user_namespace ? OVERLAY_USER "opaque" : OVERLAY_TRUSTED "opaque", "y",
                     1, 0);
}

static int make_opaque(const struct untar *u, int parent, const char *name)
{
    _cleanup_close_ int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return dir < 0 ? -1 : set_opaque(u, dir);
}

static bool is_whiteout(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

/* A whiteout speaks of lower layers only. What this layer has by that name stays, and when that is
   a directory, nothing of the one below shines through. */
static int whiteout(struct untar *u, int parent, const char *name)
{
    if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        errno = EINVAL;
        return -1;
    }
    if (mknodat(parent, name, S_IFCHR, makedev(0, 0)) == 0)
        return 0;
    struct stat st;
    if (errno != EEXIST || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    return S_ISDIR(st.st_mode) ? make_opaque(u, parent, name) : 0;
}

/* --- attributes ------------------------------------------------------------------------------ */

/* What an archive may say: nothing to overlayfs or to this machine's security modules. */
static bool is_welcome(const char *xattr)
{
    if (strcmp(xattr, "security.capability") == 0)
        return true;
    return strncmp(xattr, "user.", 5) == 0 &&
           strncmp(xattr, OVERLAY_USER, sizeof(OVERLAY_USER) - 1) != 0;
}

static int set_xattrs(int fd, struct archive_entry *entry)
{
    const char *name;
    const void *value;
    size_t size;
    archive_entry_xattr_reset(entry);
    while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
        /* User attributes are kept where the file system can. */
        if (is_welcome(name) && fsetxattr(fd, name, value, size, 0) < 0 && errno != ENOTSUP)
            return -1;
    }
    return 0;
}

static mode_t mode_of(struct archive_entry *entry)
{
    return archive_entry_mode(entry) & 07777;
}

static uid_t uid_of(struct archive_entry *entry)
{
    return (uid_t)archive_entry_uid(entry);
}

static gid_t gid_of(struct archive_entry *entry)
{
    return (gid_t)archive_entry_gid(entry);
}

static void times_of(struct archive_entry *entry, struct timespec times[2])
{
    times[0] = times[1] = (struct timespec){.tv_sec = archive_entry_mtime(entry),
                                            .tv_nsec = archive_entry_mtime_nsec(entry)};
}

/* The owner first: changing it takes the set-user-id bit and capabilities away. */
static int set_attributes(int fd, struct archive_entry *entry)
{
    struct timespec times[2];
    times_of(entry, times);
    if (fchown(fd, uid_of(entry), gid_of(entry)) < 0 || fchmod(fd, mode_of(entry)) < 0 ||
        set_xattrs(fd, entry) < 0)
        return -1;
    return futimens(fd, times);
}

/* Of what cannot be opened without consequences. */
static int set_attributes_at(int parent, const char *name, struct archive_entry *entry)
{
    struct timespec times[2];
    times_of(entry, times);
    if (fchownat(parent, name, uid_of(entry), gid_of(entry), AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (archive_entry_filetype(entry) != AE_IFLNK && fchmodat(parent, name, mode_of(entry), 0) < 0)
        return -1;
    return utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW);
}

/* --- entries --------------------------------------------------------------------------------- */

struct entry {
    struct archive_entry *entry;
    const char *path; /* for messages */
    int parent;
    const char *name;
};

/* 0: whole; -1 and *err. */
static int write_data(struct untar *u, struct archive *a, int fd, const char *path,
                      struct error *err)
{
    for (;;) {
        const void *block;
        size_t len;
        int64_t at;
        int status = archive_read_data_block(a, &block, &len, &at);
        if (status == ARCHIVE_EOF)
            return 0;
        if (status < ARCHIVE_WARN)
            return broken(a, err);
        if (len > u->max_bytes - u->bytes)
            return error_set(err, ERROR_ENGINE, "the layer is larger than %llu GiB",
                             (unsigned long long)(u->max_bytes >> 30));
        u->bytes += len;
        if (file_write_all_at(fd, block, len, at) < 0)
            return failed(path, err);
    }
}

static int unpack_file(struct untar *u, struct archive *a, const struct entry *e, struct error *err)
{
    int64_t size = archive_entry_size(e->entry);
    if (size < 0 || (uint64_t)size > u->max_bytes - u->bytes)
        return error_set(err, ERROR_ENGINE, "the layer is larger than %llu GiB",
                         (unsigned long long)(u->max_bytes >> 30));
    _cleanup_close_ int fd = openat(e->parent, e->name,
                                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed(e->path, err);
    if (write_data(u, a, fd, e->path, err) < 0)
        return -1;
    /* A hole at the end has no block. */
    if (archive_entry_sparse_count(e->entry) > 0 && ftruncate(fd, size) < 0)
        return failed(e->path, err);
    if (set_attributes(fd, e->entry) < 0 || (u->durable && fsync(fd) < 0))
        return failed(e->path, err);
    return 0;
}

static int unpack_directory(struct untar *u, const struct entry *e, bool hides, struct error *err)
{
    /* An archive may name a directory that was made on the way to something in it. */
    if (*e->name && mkdirat(e->parent, e->name, 0700) < 0 && errno != EEXIST)
        return failed(e->path, err);
    _cleanup_close_ int fd = openat(e->parent, *e->name ? e->name : ".",
                                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || set_attributes(fd, e->entry) < 0 || (hides && set_opaque(u, fd) < 0))
        return failed(e->path, err);
    *vec_push(&u->times) = (struct untar_time){.path = xstrdup(e->path),
                                               .sec = archive_entry_mtime(e->entry),
                                               .nsec = archive_entry_mtime_nsec(e->entry)};
    return 0;
}

static int unpack_symlink(const struct entry *e, struct error *err)
{
    const char *target = archive_entry_symlink(e->entry);
    target = target ? target : archive_entry_symlink_utf8(e->entry);
    if (!target || !*target)
        return error_set(err, ERROR_ENGINE, "the layer's link '%s' leads nowhere", e->path);
    if (symlinkat(target, e->parent, e->name) < 0 ||
        set_attributes_at(e->parent, e->name, e->entry) < 0)
        return failed(e->path, err);
    return 0;
}

/* Nodes of devices are left out: a container has a /dev of its own, and whatever way a layer is
   mounted, a node in it must open nothing of this machine. What was hidden stays hidden. */
static int skip_device(struct untar *u, const struct entry *e, bool hides, struct error *err)
{
    struct name name _cleanup_(name_deinit) = {0};
    if (u->devices.len < DEVICES_MAX && name_parse(&name, e->path) == 0)
        strvec_pushf(&u->devices, "%s/%s", name.parent, name.base);
    return hides && whiteout(u, e->parent, e->name) < 0 ? failed(e->path, err) : 0;
}

static bool is_device(const struct untar *u, const struct name *name)
{
    if (u->devices.len == 0)
        return false;
    _cleanup_free_ char *whole = xasprintf("%s/%s", name->parent, name->base);
    return strvec_contains(&u->devices, whole);
}

static int unpack_hardlink(struct untar *u, const struct entry *e, const char *target, bool hides,
                           struct error *err)
{
    _cleanup_(name_deinit) struct name name;
    if (name_parse(&name, target) < 0 || !*name.base)
        return error_set(err, ERROR_ENGINE, "the layer's link '%s' leads out of it", e->path);
    if (is_device(u, &name))
        return skip_device(u, e, hides, err);
    _cleanup_close_ int dir = open_in_root(u, name.parent, O_PATH | O_DIRECTORY);
    if (dir < 0 || linkat(dir, name.base, e->parent, e->name, 0) < 0)
        return error_set_errno(err, ERROR_ENGINE, errno,
                               "the layer's '%s' cannot be a link to its '%s'", e->path, target);
    return 0;
}

static int unpack_fifo(const struct entry *e, struct error *err)
{
    if (mkfifoat(e->parent, e->name, 0600) < 0 ||
        set_attributes_at(e->parent, e->name, e->entry) < 0)
        return failed(e->path, err);
    return 0;
}

static int unpack_kind(struct untar *u, struct archive *a, const struct entry *e, bool hides,
                       struct error *err)
{
    const char *link = archive_entry_hardlink(e->entry);
    link = link ? link : archive_entry_hardlink_utf8(e->entry);
    if (link)
        return unpack_hardlink(u, e, link, hides, err);
    switch (archive_entry_filetype(e->entry)) {
    case AE_IFREG:
        return unpack_file(u, a, e, err);
    case AE_IFDIR:
        return unpack_directory(u, e, hides, err);
    case AE_IFLNK:
        return unpack_symlink(e, err);
    case AE_IFCHR:
    case AE_IFBLK:
        return skip_device(u, e, hides, err);
    case AE_IFIFO:
        return unpack_fifo(e, err);
    default:
        return 0; /* a socket is nothing without who listens */
    }
}

/* A later entry of the same name replaces the earlier one; only directories become one. 1:
   something was removed. */
static int make_room(const struct entry *e, bool *hides, struct error *err)
{
    struct stat st;
    bool directory = archive_entry_filetype(e->entry) == AE_IFDIR;
    *hides = false;
    if (!*e->name || fstatat(e->parent, e->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (directory && S_ISDIR(st.st_mode) && !archive_entry_hardlink(e->entry))
        return 0;
    *hides = is_whiteout(&st);
    if (tree_remove(e->parent, e->name) < 0)
        return failed(e->path, err);
    return 1;
}

static int unpack_named(struct untar *u, struct archive *a, struct archive_entry *entry,
                        const struct name *name, const char *path, struct error *err)
{
    if (!*name->base && archive_entry_filetype(entry) != AE_IFDIR)
        return error_set(err, ERROR_ENGINE, "the layer's top is no directory");
    int parent = enter(u, name->parent);
    if (parent < 0)
        return failed(path, err);
    const size_t prefix = sizeof(WHITEOUT) - 1;
    if (strcmp(name->base, OPAQUE) == 0)
        return set_opaque(u, parent) < 0 ? failed(path, err) : 0;
    if (strncmp(name->base, AUFS, sizeof(AUFS) - 1) == 0)
        return 0;
    if (strncmp(name->base, WHITEOUT, prefix) == 0)
        return whiteout(u, parent, name->base + prefix) < 0 ? failed(path, err) : 0;

    const struct entry e = {.entry = entry, .path = path, .parent = parent, .name = name->base};
    bool hides;
    int removed = make_room(&e, &hides, err);
    if (removed < 0)
        return -1;
    int r = unpack_kind(u, a, &e, hides, err);
    if (removed)
        forget_parent(u); /* it may lead through what is gone */
    return r;
}

static int unpack_entry(struct untar *u, struct archive *a, struct archive_entry *entry,
                        struct error *err)
{
    const char *path = archive_entry_pathname(entry);
    path = path ? path : archive_entry_pathname_utf8(entry);
    _cleanup_(name_deinit) struct name name;
    if (name_parse(&name, path) < 0)
        return error_set(err, ERROR_ENGINE, "the layer holds a name that leads out of it: '%.200s'",
                         path ? path : "");
    if (u->entries++ >= u->max_entries)
        return error_set(err, ERROR_ENGINE, "the layer holds more than %llu files",
                         (unsigned long long)u->max_entries);
    return unpack_named(u, a, entry, &name, path, err);
}

/* What was put into a directory changed its time. */
static void set_times(const struct untar *u)
{
    for (size_t i = u->times.len; i-- > 0;) {
        const struct untar_time *t = &u->times.items[i];
        const struct timespec mtime = {.tv_sec = t->sec, .tv_nsec = t->nsec};
        const struct timespec times[] = {mtime, mtime};
        _cleanup_close_ int fd = open_in_root(u, t->path, O_RDONLY | O_DIRECTORY);
        if (fd >= 0)
            (void)futimens(fd, times);
    }
}

int untar_all(struct untar *u, struct archive *a, struct error *err)
{
    for (;;) {
        struct archive_entry *entry;
        int status = archive_read_next_header(a, &entry);
        if (status == ARCHIVE_EOF)
            break;
        if (status < ARCHIVE_WARN || status == ARCHIVE_RETRY)
            return broken(a, err);
        if (unpack_entry(u, a, entry, err) < 0)
            return -1;
    }
    set_times(u);
    return 0;
}

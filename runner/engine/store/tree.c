/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <search.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* Each level holds two or three descriptors. */
#define DEPTH_MAX    128
#define XATTR_NAMES  ((size_t)64 << 10)
#define XATTR_VALUE  ((size_t)64 << 10)
#define COPY_AT_ONCE ((size_t)64 << 20)

static void cleanup_dirp(DIR **d)
{
    if (*d)
        closedir(*d);
}

/* A stream over a directory that is open already. */
static DIR *list(int dir)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d && fd >= 0)
        close(fd);
    return d;
}

static const char *next_name(DIR *d)
{
    for (;;) {
        const struct dirent *entry = readdir(d);
        if (!entry)
            return NULL;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return entry->d_name;
    }
}

int tree_names(int dir, struct strvec *out)
{
    _cleanup_(cleanup_dirp) DIR *d = list(dir);
    for (const char *name; d && (name = next_name(d));)
        strvec_push(out, name);
    return d ? 0 : -1;
}

static int enter(int dir, const char *name)
{
    return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* --- removal --------------------------------------------------------------------------------- */

/* Deeper than this a directory is moved to the top first, where it is found in the next round. */
struct removal {
    int top;
    unsigned moved;
};

static int remove_below(struct removal *r, int dir, int depth);

static int remove_directory(struct removal *r, int parent, const char *name, int depth)
{
    if (depth > DEPTH_MAX) {
        char place[32];
        (void)snprintf(place, sizeof(place), ".deep-%u", r->moved++);
        return renameat(parent, name, r->top, place);
    }
    _cleanup_close_ int dir = enter(parent, name);
    if (dir < 0 || remove_below(r, dir, depth) < 0)
        return -1;
    return unlinkat(parent, name, AT_REMOVEDIR);
}

static int remove_below(struct removal *r, int dir, int depth)
{
    _cleanup_(cleanup_dirp) DIR *d = list(dir);
    if (!d)
        return -1;
    for (const char *name; (name = next_name(d));) {
        if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
            continue;
        if (errno != EISDIR && errno != EPERM)
            return -1;
        if (remove_directory(r, dir, name, depth + 1) < 0)
            return -1;
    }
    return 0;
}

int tree_remove(int dir, const char *name)
{
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
        return 0;
    _cleanup_close_ int top = enter(dir, name);
    if (top < 0)
        return -1;
    struct removal r = {.top = top};
    for (;;) {
        if (remove_below(&r, top, 0) < 0)
            return -1;
        if (unlinkat(dir, name, AT_REMOVEDIR) == 0)
            return 0;
        if (errno != ENOTEMPTY && errno != EEXIST)
            return -1;
    }
}

/* --- files with several names ---------------------------------------------------------------- */

struct seen {
    dev_t dev;
    ino_t ino;
    char *path; /* below the copy's top */
};

static int compare_seen(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    if (x->ino != y->ino)
        return x->ino < y->ino ? -1 : 1;
    return x->dev == y->dev ? 0 : x->dev < y->dev ? -1 : 1;
}

static void free_seen(void *p)
{
    struct seen *seen = p;
    free(seen->path);
    free(seen);
}

/* The one noted before, or NULL after having noted this one. */
static const struct seen *note(void **root, const struct stat *st, const char *path)
{
    struct seen key = {.dev = st->st_dev, .ino = st->st_ino};
    struct seen *const *known = tfind(&key, root, compare_seen);
    if (known)
        return *known;
    key.path = xstrdup(path);
    (void)tsearch(xmemdup(&key, sizeof(key)), root, compare_seen);
    return NULL;
}

/* --- sizes ----------------------------------------------------------------------------------- */

static uint64_t size_below(int dir, void **seen, int depth)
{
    _cleanup_(cleanup_dirp) DIR *d = depth > DEPTH_MAX ? NULL : list(dir);
    uint64_t sum = 0;
    for (const char *name; d && (name = next_name(d));) {
        struct stat st;
        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISREG(st.st_mode) && (st.st_nlink == 1 || !note(seen, &st, "")))
            sum += (uint64_t)st.st_size;
        _cleanup_close_ int below = S_ISDIR(st.st_mode) ? enter(dir, name) : -1;
        if (below >= 0)
            sum += size_below(below, seen, depth + 1);
    }
    return sum;
}

uint64_t tree_size(int dir)
{
    void *seen = NULL;
    uint64_t sum = size_below(dir, &seen, 0);
    tdestroy(seen, free_seen);
    return sum;
}

/* --- copies ---------------------------------------------------------------------------------- */

/* Of overlayfs's own notes only what makes the directory what it is. */
static bool is_kept(const char *name)
{
    static const char *const prefixes[] = {OVERLAY_TRUSTED, OVERLAY_USER};
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        size_t len = strlen(prefixes[i]);
        if (strncmp(name, prefixes[i], len) == 0)
            return strcmp(name + len, "opaque") == 0 || strcmp(name + len, "redirect") == 0 ||
                   strcmp(name + len, "metacopy") == 0;
    }
    /* A label is given by the place where a file is. */
    return strcmp(name, "security.selinux") != 0;
}

static int copy_xattrs(int from, int to)
{
    ssize_t len = flistxattr(from, NULL, 0);
    if (len <= 0)
        return len < 0 && errno != ENOTSUP ? -1 : 0;
    _cleanup_free_ char *names = xmalloc(XATTR_NAMES), *value = xmalloc(XATTR_VALUE);
    len = flistxattr(from, names, XATTR_NAMES);
    for (const char *name = names; name < names + len; name += strlen(name) + 1) {
        if (!is_kept(name))
            continue;
        ssize_t size = fgetxattr(from, name, value, XATTR_VALUE);
        if (size < 0 || fsetxattr(to, name, value, (size_t)size, 0) < 0)
            return -1;
    }
    return len < 0 ? -1 : 0;
}

/* The owner first: changing it takes the set-user-id bit and capabilities away. */
static int copy_attributes(int from, int to, const struct stat *st)
{
    const struct timespec times[] = {st->st_atim, st->st_mtim};
    if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
        return -1;
    return copy_xattrs(from, to) < 0 || futimens(to, times) < 0 ? -1 : 0;
}

static int copy_by_hand(int from, int to)
{
    _cleanup_free_ char *block = xmalloc(XATTR_VALUE);
    for (;;) {
        ssize_t n = read(from, block, XATTR_VALUE);
        if (n <= 0)
            return (int)n;
        for (ssize_t done = 0, w; done < n; done += w)
            if ((w = write(to, block + done, (size_t)(n - done))) < 0)
                return -1;
    }
}

/* Shared blocks where the file system can, else the kernel copies, else we do. */
static int copy_content(struct tree_copy *copy, int from, int to, off_t size)
{
    if (size == 0)
        return 0;
    if (!copy->cannot_share && ioctl(to, FICLONE, from) == 0)
        return 0;
    copy->cannot_share = true;
    for (off_t done = 0;;) {
        ssize_t n = copy_file_range(from, NULL, to, NULL, COPY_AT_ONCE, 0);
        if (n == 0 && done >= size)
            return 0;
        if (n <= 0)
            return done == 0 ? copy_by_hand(from, to) : -1;
        done += n;
    }
}

static int copy_file(struct tree_copy *copy, int from, int to, const char *name,
                     const struct stat *st)
{
    _cleanup_close_ int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    _cleanup_close_ int out = in < 0
                                  ? -1
                                  : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0 || copy_content(copy, in, out, st->st_size) < 0)
        return -1;
    copy->copied += (uint64_t)st->st_size;
    return copy_attributes(in, out, st);
}

static int copy_symlink(int from, int to, const char *name)
{
    char target[PATH_MAX];
    ssize_t len = readlinkat(from, name, target, sizeof(target) - 1);
    if (len < 0)
        return -1;
    target[len] = '\0';
    return symlinkat(target, to, name);
}

static int copy_special(struct tree_copy *copy, int from, int to, const char *name,
                        const struct stat *st)
{
    if (S_ISREG(st->st_mode))
        return copy_file(copy, from, to, name, st);
    const struct timespec times[] = {st->st_atim, st->st_mtim};
    bool symlink = S_ISLNK(st->st_mode);
    int r = symlink ? copy_symlink(from, to, name) : mknodat(to, name, st->st_mode, st->st_rdev);
    if (r < 0 || fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (!symlink && fchmodat(to, name, st->st_mode & 07777, 0) < 0)
        return -1;
    return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
}

/* Where a thing is: the path is for hard links within the copy, and for errors. */
struct place {
    int from, to;
    const char *path; /* of the directory, below the top; "" is the top */
    int top;          /* the copy's */
    int depth;
};

static int copy_below(struct tree_copy *copy, const struct place *at, struct error *err);

static int copy_directory(struct tree_copy *copy, const struct place *at, const char *name,
                          const char *path, const struct stat *st, struct error *err)
{
    if (at->depth >= DEPTH_MAX)
        return error_set(err, ERROR_INTERNAL, "cannot copy '%s': more than %d directories deep",
                         path, DEPTH_MAX);
    _cleanup_close_ int from = enter(at->from, name);
    _cleanup_close_ int to = from < 0 || mkdirat(at->to, name, 0700) < 0 ? -1 : enter(at->to, name);
    if (to < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot copy '%s'", path);
    const struct place below = {
        .from = from, .to = to, .path = path, .top = at->top, .depth = at->depth + 1};
    if (copy_below(copy, &below, err) < 0)
        return -1;
    if (copy_attributes(from, to, st) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot copy '%s'", path);
    return 0;
}

/* 1 when linked, 0 when it has to be copied. */
static int try_link(struct tree_copy *copy, const struct place *at, const char *name,
                    const char *path, const struct stat *st)
{
    if (copy->link && linkat(at->from, name, at->to, name, 0) == 0)
        return 1;
    /* Another file system is so for all; too many links (EMLINK) is so for one. */
    if (copy->link && (errno == EXDEV || errno == EPERM))
        copy->link = false;
    if (st->st_nlink == 1 || copy->link)
        return 0;
    const struct seen *twin = note(&copy->seen, st, path);
    return twin && linkat(at->top, twin->path, at->to, name, 0) == 0;
}

static int copy_entry(struct tree_copy *copy, const struct place *at, const char *name,
                      struct error *err)
{
    struct stat st;
    _cleanup_free_ char *path = xasprintf("%s%s%s", at->path, *at->path ? "/" : "", name);
    if (fstatat(at->from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot copy '%s'", path);
    if (S_ISDIR(st.st_mode))
        return copy_directory(copy, at, name, path, &st, err);
    if (S_ISSOCK(st.st_mode) || S_ISBLK(st.st_mode) || (S_ISCHR(st.st_mode) && st.st_rdev != 0))
        return 0;
    copy->bytes += S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    if (try_link(copy, at, name, path, &st))
        return 0;
    if (copy_special(copy, at->from, at->to, name, &st) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot copy '%s'", path);
    return 0;
}

static int copy_below(struct tree_copy *copy, const struct place *at, struct error *err)
{
    _cleanup_(cleanup_dirp) DIR *d = list(at->from);
    if (!d)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot read '%s'", at->path);
    for (;;) {
        errno = 0;
        const char *name = next_name(d);
        if (!name && errno)
            return error_set_errno(err, ERROR_INTERNAL, errno, "cannot read '%s'", at->path);
        if (!name)
            return 0;
        if (copy_entry(copy, at, name, err) < 0)
            return -1;
    }
}

int tree_copy(struct tree_copy *copy, int from, int to, struct error *err)
{
    struct stat st;
    const struct place top = {.from = from, .to = to, .path = "", .top = to};
    int r = copy_below(copy, &top, err);
    tdestroy(TAKE_PTR(copy->seen), free_seen);
    if (r < 0)
        return -1;
    if (fstat(from, &st) < 0 || copy_attributes(from, to, &st) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot copy the layer's top");
    return 0;
}

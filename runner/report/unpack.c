/* SPDX-License-Identifier: Apache-2.0 */
#include "report/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>

#include <archive.h>
#include <archive_entry.h>

#include "base/file.h"
#include "report/directory.h"

#define BLOCK      ((size_t)64 << 10)
#define DEPTH_MAX  32
#define LENGTH_MAX 1024 /* of a whole name */

enum outcome {
    WRITTEN,
    UNSAFE,
    OVER_LIMIT,
    BROKEN, /* the archive */
    FAILED, /* this machine; errno */
};

/* The name below the archive's first component, as components without "." between them; false when
   it leads elsewhere. No component: the top itself. */
static bool split_name(const char *name, struct strvec *parts)
{
    if (!name || name[0] == '/' || strlen(name) > LENGTH_MAX)
        return false;
    strvec_split(parts, name, "/");
    size_t kept = 0;
    bool top = true; /* the archive's own first component comes next */
    for (size_t i = 0; i < parts->len; i++) {
        char *part = parts->items[i];
        if (strcmp(part, "..") == 0)
            return false;
        bool here = strcmp(part, ".") == 0;
        if (here || top)
            free(part);
        else
            parts->items[kept++] = part;
        top = top && here;
        if (kept <= i)
            parts->items[i] = NULL;
    }
    parts->len = kept;
    return kept <= DEPTH_MAX;
}

/* Opens the directory of the first `count` parts, making what is not there. -1 with errno. */
static int enter(const struct unpack *u, const struct strvec *parts, size_t count)
{
    int dir = openat(u->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < count && dir >= 0; i++) {
        int next = directory_enter(dir, parts->items[i]);
        int errnum = errno;
        close(dir);
        dir = next;
        errno = errnum;
    }
    return dir;
}

static bool is_out_of_room(int errnum)
{
    return errnum == ENOSPC || errnum == EDQUOT || errnum == EIO || errnum == EROFS ||
           errnum == EMFILE || errnum == ENFILE;
}

/* Holes are read as zeros, so a sparse file counts as what it would be. */
static enum outcome copy_data(struct unpack *u, struct archive *a, int fd)
{
    _cleanup_free_ char *block = xmalloc(BLOCK);
    for (;;) {
        la_ssize_t n = archive_read_data(a, block, BLOCK);
        if (n == 0)
            return WRITTEN;
        if (n < 0)
            return BROKEN;
        if ((uint64_t)n > u->limits.bytes - u->bytes)
            return OVER_LIMIT;
        if (file_write_all(fd, block, (size_t)n) < 0)
            return FAILED;
        u->bytes += (uint64_t)n;
    }
}

static enum outcome write_file(struct unpack *u, struct archive *a, struct archive_entry *entry,
                               const struct strvec *parts)
{
    int64_t size = archive_entry_size(entry);
    if (size < 0 || (uint64_t)size > u->limits.bytes - u->bytes)
        return OVER_LIMIT;

    const char *name = parts->items[parts->len - 1];
    _cleanup_close_ int dir = enter(u, parts, parts->len - 1);
    _cleanup_close_ int fd =
        dir < 0 ? -1
                : openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return is_out_of_room(errno) ? FAILED : UNSAFE;

    enum outcome outcome = copy_data(u, a, fd);
    if (outcome == WRITTEN)
        strvec_take(&u->written, strvec_join(parts, "/"));
    else if (unlinkat(dir, name, 0) < 0 && outcome != FAILED)
        return FAILED; /* half a file must not be taken for a whole one */
    return outcome;
}

static enum outcome make_directory(struct unpack *u, const struct strvec *parts)
{
    _cleanup_close_ int dir = enter(u, parts, parts->len);
    if (dir < 0)
        return is_out_of_room(errno) ? FAILED : UNSAFE;
    return WRITTEN;
}

/* Where the entry with this first component may go: NULL, or the directory above it. Release with
   free(). */
static char *allowed_place(const struct unpack *u, const char *top, bool file)
{
    _cleanup_free_ char *name = xasprintf("%s%s", top, file ? "" : "/");
    size_t len = strlen(name);
    for (size_t i = 0; i < u->allowed->len; i++) {
        const char *allowed = u->allowed->items[i];
        size_t above = strlen(allowed) - len;
        if (strlen(allowed) >= len && strcmp(allowed + above, name) == 0 &&
            (above == 0 || allowed[above - 1] == '/'))
            return xstrndup(allowed, above);
    }
    return NULL;
}

static bool matches(const struct unpack *u, const struct strvec *parts)
{
    _cleanup_free_ char *name = strvec_join(parts, "/");
    return fnmatch(u->pattern, name, 0) == 0;
}

static enum outcome unpack_entry(struct unpack *u, struct archive *a, struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry);
    _cleanup_strvec_ struct strvec parts = STRVEC_INIT;
    if (!split_name(name ? name : archive_entry_pathname_utf8(entry), &parts))
        return UNSAFE;

    mode_t type = archive_entry_filetype(entry);
    if (archive_entry_hardlink(entry) || (type != AE_IFREG && type != AE_IFDIR))
        return UNSAFE;
    if (parts.len == 0)
        return type == AE_IFDIR ? WRITTEN : UNSAFE;
    if (parts.len == 1 && u->signal && strcmp(parts.items[0], u->signal) == 0) {
        u->signalled |= type == AE_IFREG;
        return WRITTEN;
    }
    if (u->pattern && (type == AE_IFDIR || !matches(u, &parts)))
        return WRITTEN;
    _cleanup_free_ char *above = u->pattern ? xstrdup(u->place)
                                            : allowed_place(u, parts.items[0],
                                                            parts.len == 1 && type == AE_IFREG);
    if (!above)
        return UNSAFE;
    if (u->files >= u->limits.files)
        return OVER_LIMIT;
    u->files++;
    _cleanup_strvec_ struct strvec place = STRVEC_INIT;
    strvec_split(&place, above, "/");
    strvec_append(&place, &parts);
    return type == AE_IFDIR ? make_directory(u, &place) : write_file(u, a, entry, &place);
}

static int broken(struct archive *a, struct error *err)
{
    const char *why = archive_error_string(a);
    return error_set(err, ERROR_ENGINE, "what the tests left cannot be unpacked: %s",
                     why ? why : "the archive is broken");
}

static int unpack_all(struct unpack *u, struct archive *a, struct error *err)
{
    for (;;) {
        struct archive_entry *entry;
        int status = archive_read_next_header(a, &entry);
        if (status == ARCHIVE_EOF)
            return 0;
        if (status == ARCHIVE_RETRY)
            continue;
        if (status < ARCHIVE_WARN)
            return broken(a, err);

        enum outcome outcome = unpack_entry(u, a, entry);
        u->unsafe += outcome == UNSAFE;
        u->over_limit += outcome == OVER_LIMIT;
        if (outcome == BROKEN)
            return broken(a, err);
        if (outcome == FAILED)
            return error_set_errno(err, ERROR_INTERNAL, errno,
                                   "what the tests left cannot be written");
    }
}

static void cleanup_archivep(struct archive **a)
{
    archive_read_free(*a);
}

int unpack_tar(struct unpack *u, int fd, struct error *err)
{
    _cleanup_(cleanup_archivep) struct archive *a = archive_read_new();
    if (!a || archive_read_support_format_tar(a) != ARCHIVE_OK ||
        /* What a program left follows what the satellite had. */
        archive_read_set_options(a, "tar:read_concatenated_archives") != ARCHIVE_OK ||
        archive_read_open_fd(a, fd, BLOCK) != ARCHIVE_OK)
        return broken(a, err);
    return unpack_all(u, a, err);
}

void unpack_deinit(struct unpack *u)
{
    strvec_deinit(&u->written);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <iconv.h>
#include <sys/stat.h>

#define BLOCK 65536

/* The names of pax headers are UTF-8, ours are bytes; glibc reads what there is to convert them
 * once. */
void pack_prepare(void)
{
    static const char *const ways[][2] = {{"UTF-8", ""}, {"", "UTF-8"}};
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
        iconv_t way = iconv_open(ways[i][0], ways[i][1]);
        if (way != (iconv_t)-1) /* NOLINT(performance-no-int-to-ptr): so iconv_open(3) has it */
            (void)iconv_close(way);
    }
}

static enum engine_outcome not_there(const char *path, struct error *err)
{
    if (errno == ENOENT || errno == ENOTDIR)
        return ENGINE_NOT_FOUND;
    error_set_errno(err, ERROR_ENGINE, errno, "'%s' could not be entered", path);
    return ENGINE_FAILED;
}

static enum engine_outcome archive_failed(struct archive *a, const char *path, struct error *err)
{
    const char *why = archive_error_string(a);
    error_set(err, ERROR_ENGINE, "the files of '%s' could not be archived: %s", path,
              why ? why : "no reason given");
    return ENGINE_FAILED;
}

/* --- out of it ------------------------------------------------------------------------------- */

static int copy_data(struct archive *from, struct archive *to)
{
    const void *block;
    size_t size;
    la_int64_t offset, at = 0;
    static const char zeros[BLOCK];
    int r;
    while ((r = archive_read_data_block(from, &block, &size, &offset)) == ARCHIVE_OK) {
        while (at < offset) { /* a hole */
            size_t gap = offset - at < BLOCK ? (size_t)(offset - at) : BLOCK;
            if (archive_write_data(to, zeros, gap) < 0)
                return -1;
            at += (la_int64_t)gap;
        }
        if (archive_write_data(to, block, size) < 0)
            return -1;
        at += (la_int64_t)size;
    }
    return r == ARCHIVE_EOF ? 0 : -1;
}

/* Sockets have no place in an archive; what vanishes while we look is not there. */
static int pack_entry(struct archive *disk, struct archive *out,
                      struct archive_entry_linkresolver *links, struct archive_entry *entry)
{
    struct archive_entry *later = NULL;
    if (archive_entry_filetype(entry) == AE_IFSOCK)
        return 0;
    archive_entry_sparse_clear(entry);
    archive_entry_linkify(links, &entry, &later);
    if (!entry)
        return 0;
    if (archive_write_header(out, entry) < ARCHIVE_WARN)
        return -1;
    return archive_entry_size(entry) > 0 ? copy_data(disk, out) : 0;
}

static enum engine_outcome walk(struct archive *disk, struct archive *out, const char *path,
                                struct error *err)
{
    struct archive_entry_linkresolver *links = archive_entry_linkresolver_new();
    archive_entry_linkresolver_set_strategy(links, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED);
    struct archive_entry *entry = archive_entry_new();
    int r;
    bool broken = false;
    while (!broken && (r = archive_read_next_header2(disk, entry)) != ARCHIVE_EOF) {
        if (r <= ARCHIVE_FAILED && archive_errno(disk) != ENOENT)
            break;
        if (archive_read_disk_can_descend(disk))
            (void)archive_read_disk_descend(disk);
        broken = r > ARCHIVE_FAILED && pack_entry(disk, out, links, entry) < 0;
        archive_entry_clear(entry);
    }
    archive_entry_free(entry);
    archive_entry_linkresolver_free(links);
    if (broken)
        return archive_failed(out, path, err);
    return r == ARCHIVE_EOF ? ENGINE_OK : archive_failed(disk, path, err);
}

/* Leaves the current directory at the parent, and yields the last component. */
static const char *enter_parent(char *path)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        path[--len] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash)
        return path;
    if (slash == path && !path[1])
        return chdir("/") == 0 ? "." : NULL;
    *slash = '\0';
    return chdir(slash == path ? "/" : path) == 0 ? slash + 1 : NULL;
}

enum engine_outcome pack(const char *path, int fd, struct error *err)
{
    struct stat st;
    _cleanup_free_ char *copy = xstrdup(path);
    const char *name = enter_parent(copy);
    if (!name || stat(name, &st) < 0)
        return not_there(path, err);

    struct archive *disk = archive_read_disk_new(), *out = archive_write_new();
    archive_read_disk_set_symlink_hybrid(disk); /* follows `path` itself, nothing below it */
    archive_read_disk_set_behavior(disk, ARCHIVE_READDISK_NO_XATTR | ARCHIVE_READDISK_NO_ACL |
                                             ARCHIVE_READDISK_NO_FFLAGS);
    archive_write_set_format_pax_restricted(out);
    (void)archive_write_set_options(out, "hdrcharset=BINARY");
    archive_write_set_bytes_in_last_block(out, 1);
    enum engine_outcome outcome;
    if (archive_write_open_fd(out, fd) != ARCHIVE_OK)
        outcome = archive_failed(out, path, err);
    else if (archive_read_disk_open(disk, name) != ARCHIVE_OK)
        outcome = archive_failed(disk, path, err);
    else
        outcome = walk(disk, out, path, err);
    if (archive_write_close(out) != ARCHIVE_OK && outcome == ENGINE_OK)
        outcome = archive_failed(out, path, err);
    archive_write_free(out);
    archive_read_free(disk);
    return outcome;
}

/* --- into it --------------------------------------------------------------------------------- */

/* No control group would keep it closed. */
static bool is_device(struct archive_entry *entry)
{
    unsigned type = archive_entry_filetype(entry);
    return type == AE_IFCHR || type == AE_IFBLK;
}

static enum engine_outcome unpack_all(struct archive *in, struct archive *disk, const char *path,
                                      struct error *err)
{
    struct archive_entry *entry;
    int r;
    while ((r = archive_read_next_header(in, &entry)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
        if (is_device(entry))
            continue;
        if (archive_write_header(disk, entry) < ARCHIVE_WARN)
            return archive_failed(disk, path, err);
        const void *block;
        size_t size;
        la_int64_t offset;
        while ((r = archive_read_data_block(in, &block, &size, &offset)) == ARCHIVE_OK)
            if (archive_write_data_block(disk, block, size, offset) < ARCHIVE_WARN)
                return archive_failed(disk, path, err);
        if (r != ARCHIVE_EOF)
            return archive_failed(in, path, err);
        if (archive_write_finish_entry(disk) < ARCHIVE_WARN)
            return archive_failed(disk, path, err);
    }
    return r == ARCHIVE_EOF ? ENGINE_OK : archive_failed(in, path, err);
}

enum engine_outcome unpack(const char *path, int fd, struct error *err)
{
    if (chdir(path) < 0)
        return not_there(path, err);
    struct archive *in = archive_read_new(), *disk = archive_write_disk_new();
    archive_read_support_format_tar(in);
    (void)archive_read_set_options(in, "hdrcharset=BINARY");
    archive_write_disk_set_options(
        disk, ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME |
                  ARCHIVE_EXTRACT_UNLINK | ARCHIVE_EXTRACT_SECURE_NODOTDOT |
                  ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS);
    enum engine_outcome outcome = archive_read_open_fd(in, fd, BLOCK) == ARCHIVE_OK
                                      ? unpack_all(in, disk, path, err)
                                      : archive_failed(in, path, err);
    if (archive_write_close(disk) != ARCHIVE_OK && outcome == ENGINE_OK)
        outcome = archive_failed(disk, path, err);
    archive_write_free(disk);
    archive_read_free(in);
    return outcome;
}

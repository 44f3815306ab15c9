/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <archive.h>
#include <archive_entry.h>

#include "base/file.h"
#include "engine/store/place.h"

#define BLOCK       ((size_t)128 << 10)
#define ENTRIES_MAX 65536
#define TEXT_MAX    ((size_t)16 << 20)
#define SPOOL_MAX   (INT64_C(256) << 30)
#define LINKS_MAX   8

struct entry {
    char *name;
    char *link;       /* another entry's name, or NULL */
    int64_t position; /* of its header */
    uint64_t size;
};

struct layout {
    int fd;
    bool directory;
    VEC(struct entry) entries; /* of an archive */
};

static void cleanup_archivep(struct archive **a)
{
    archive_read_free(*a);
}

void layout_free(struct layout *layout)
{
    if (!layout)
        return;
    for (size_t i = 0; i < layout->entries.len; i++) {
        free(layout->entries.items[i].name);
        free(layout->entries.items[i].link);
    }
    vec_deinit(&layout->entries);
    if (layout->fd >= 0)
        close(layout->fd);
    free(layout);
}

/* --- the table of an archive ------------------------------------------------------------------ */

/* Without "." and "..", as far as these lead; NULL when they lead out. */
static char *plain_name(const char *base, const char *name)
{
    _cleanup_free_ char *whole = xasprintf("%s/%s", *name == '/' ? "" : base, name);
    _cleanup_strvec_ struct strvec all = STRVEC_INIT, parts = STRVEC_INIT;
    strvec_split(&all, whole, "/");
    for (size_t i = 0; i < all.len; i++) {
        if (strcmp(all.items[i], ".") == 0)
            continue;
        if (strcmp(all.items[i], "..") != 0) {
            strvec_push(&parts, all.items[i]);
            continue;
        }
        if (parts.len == 0)
            return NULL;
        free(parts.items[--parts.len]);
        parts.items[parts.len] = NULL;
    }
    return parts.len ? strvec_join(&parts, "/") : NULL;
}

/* Old archives have the same layer once, and symbolic links to it: "../ID/layer.tar". */
static char *link_target(struct archive_entry *e, const char *name)
{
    const char *hard = archive_entry_hardlink(e), *symbolic = archive_entry_symlink(e);
    if (hard)
        return plain_name("", hard);
    if (archive_entry_filetype(e) != AE_IFLNK || !symbolic)
        return NULL;
    const char *slash = strrchr(name, '/');
    _cleanup_free_ char *base = xstrndup(name, slash ? (size_t)(slash - name) : 0);
    return plain_name(base, symbolic);
}

static int broken(struct archive *a, struct error *err)
{
    const char *why = a ? archive_error_string(a) : NULL;
    return error_set(err, ERROR_ENGINE, "it is no archive of images: %s",
                     why ? why : "not even a tar archive");
}

static struct archive *open_tar(int fd, int64_t at)
{
    struct archive *a = archive_read_new();
    if (a && lseek(fd, at, SEEK_SET) == at && archive_read_support_format_tar(a) == ARCHIVE_OK &&
        archive_read_open_fd(a, fd, BLOCK) == ARCHIVE_OK)
        return a;
    archive_read_free(a);
    return NULL;
}

static int add_entry(struct layout *layout, struct archive *a, struct archive_entry *e,
                     struct error *err)
{
    const char *name = archive_entry_pathname(e);
    char *plain = name ? plain_name("", name) : NULL;
    int64_t size = archive_entry_size(e);
    if (!plain || archive_entry_filetype(e) == AE_IFDIR) {
        free(plain);
        return 0;
    }
    *vec_push(&layout->entries) = (struct entry){.name = plain,
                                                 .link = link_target(e, plain),
                                                 .position = archive_read_header_position(a),
                                                 .size = size > 0 ? (uint64_t)size : 0};
    if (layout->entries.len > ENTRIES_MAX)
        return error_set(err, ERROR_ENGINE, "it is no archive of images: it holds too many files");
    return 0;
}

static int read_table(struct layout *layout, struct error *err)
{
    _cleanup_(cleanup_archivep) struct archive *a = open_tar(layout->fd, 0);
    if (!a)
        return broken(NULL, err);
    for (;;) {
        struct archive_entry *e;
        int status = archive_read_next_header(a, &e);
        if (status == ARCHIVE_EOF)
            return 0;
        if (status < ARCHIVE_WARN || status == ARCHIVE_RETRY)
            return broken(a, err);
        if (add_entry(layout, a, e, err) < 0)
            return -1;
    }
}

/* --- what must be written down first -----------------------------------------------------------
 */

void layout_support_filters(struct archive *a)
{
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_xz(a);
}

static bool is_compressed(int fd)
{
    static const struct {
        const char *bytes;
        size_t len;
    } magics[] = {{"\x1f\x8b", 2},
                  {"\x28\xb5\x2f\xfd", 4},
                  {"BZh", 3},
                  {"\xfd"
                   "7zXZ",
                   5}};
    char head[8] = "";
    (void)!pread(fd, head, sizeof(head), 0);
    for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
        if (memcmp(head, magics[i].bytes, magics[i].len) == 0)
            return true;
    return false;
}

static int copy_out(struct archive *a, int to, struct error *err)
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
        if (at + (int64_t)len > SPOOL_MAX)
            return error_set(err, ERROR_ENGINE, "it is too large to be an archive of images");
        if (file_write_all_at(to, block, len, at) < 0)
            return error_set_errno(err, ERROR_INTERNAL, errno, "cannot write it down");
    }
}

static int spool(struct layout *layout, struct store *store, struct error *err)
{
    _cleanup_(cleanup_archivep) struct archive *a = archive_read_new();
    struct archive_entry *e;
    _cleanup_close_ int to = place_nameless(store, err);
    if (to < 0)
        return -1;
    if (!a)
        return broken(NULL, err);
    layout_support_filters(a);
    if (archive_read_support_format_raw(a) != ARCHIVE_OK ||
        archive_read_open_fd(a, layout->fd, BLOCK) != ARCHIVE_OK ||
        archive_read_next_header(a, &e) != ARCHIVE_OK)
        return broken(a, err);
    if (copy_out(a, to, err) < 0)
        return -1;
    close(layout->fd);
    layout->fd = TAKE_FD(to);
    return 0;
}

struct layout *layout_open(struct store *store, int fd, struct error *err)
{
    struct stat st;
    struct layout *layout = xcalloc(1, sizeof(*layout));
    layout->fd = fd;
    layout->directory = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    if (layout->directory)
        return layout;
    bool anywhere = S_ISREG(st.st_mode) && !is_compressed(fd);
    if ((anywhere || spool(layout, store, err) == 0) && read_table(layout, err) == 0)
        return layout;
    layout_free(layout);
    return NULL;
}

/* --- files -------------------------------------------------------------------------------------
 */

static const struct entry *find_entry(const struct layout *layout, const char *name)
{
    for (int links = 0; links < LINKS_MAX && name; links++) {
        const struct entry *found = NULL;
        for (size_t i = layout->entries.len; i-- > 0 && !found;)
            if (strcmp(layout->entries.items[i].name, name) == 0)
                found = &layout->entries.items[i];
        if (!found || !found->link)
            return found;
        name = found->link;
    }
    return NULL;
}

static int open_entry(struct layout *layout, const char *name, struct stream *out,
                      struct error *err)
{
    _cleanup_free_ char *plain = plain_name("", name);
    const struct entry *entry = plain ? find_entry(layout, plain) : NULL;
    struct archive_entry *e;
    if (!entry)
        return 0;
    out->a = open_tar(layout->fd, entry->position);
    if (!out->a || archive_read_next_header(out->a, &e) < ARCHIVE_WARN)
        return broken(out->a, err);
    out->block = xmalloc(BLOCK);
    out->size = entry->size;
    return 1;
}

static int open_file(const struct layout *layout, const char *name, struct stream *out,
                     struct error *err)
{
    struct stat st;
    out->fd = file_open_in_root(layout->fd, name, O_RDONLY | O_NONBLOCK);
    if (out->fd < 0 && errno == ENOENT)
        return 0;
    if (out->fd < 0 || fstat(out->fd, &st) < 0)
        return error_set_errno(err, ERROR_ENGINE, errno, "cannot read '%s'", name);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_ENGINE, "'%s' is no file", name);
    out->block = xmalloc(BLOCK);
    out->size = (uint64_t)st.st_size;
    return 1;
}

int layout_file(struct layout *layout, const char *name, struct stream *out, struct error *err)
{
    *out = (struct stream){.fd = -1};
    int r = layout->directory ? open_file(layout, name, out, err)
                              : open_entry(layout, name, out, err);
    if (r <= 0)
        stream_deinit(out);
    return r;
}

void stream_deinit(struct stream *stream)
{
    if (stream->fd >= 0)
        close(stream->fd);
    archive_read_free(stream->a);
    free(stream->block);
    *stream = (struct stream){.fd = -1};
}

ssize_t stream_read(struct stream *stream, const void **bytes)
{
    ssize_t n = stream->a ? archive_read_data(stream->a, stream->block, BLOCK)
                          : read(stream->fd, stream->block, BLOCK);
    *bytes = stream->block;
    stream->done += n > 0 ? (uint64_t)n : 0;
    return n < 0 ? -1 : n;
}

int layout_text(struct layout *layout, const char *name, struct strbuf *out, struct error *err)
{
    struct stream stream _cleanup_(stream_deinit);
    int r = layout_file(layout, name, &stream, err);
    if (r <= 0)
        return r;
    strbuf_init(out, TEXT_MAX);
    for (;;) {
        const void *bytes;
        ssize_t n = stream_read(&stream, &bytes);
        if (n == 0)
            return 1;
        if (n < 0)
            return error_set(err, ERROR_ENGINE, "'%s' cannot be read", name);
        if (strbuf_add(out, bytes, (size_t)n) < 0)
            return error_set(err, ERROR_ENGINE, "'%s' is too large", name);
    }
}

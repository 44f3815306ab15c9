/* SPDX-License-Identifier: Apache-2.0 */
#include "run/deploy_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include <archive.h>
#include <archive_entry.h>
#include <jansson.h>

#include <cleanroom/log.h>
#include <cleanroom/strbuf.h>

#include "base/cachedir.h"
#include "report/directory.h"
#include "run/context.h"

static const char *const tar_names[DEPLOY_TARS] = {"storage.tar", "static.tar"};
static const char *const raw_names[DEPLOY_TARS] = {"storage.raw", "static.raw"};

/* --- places ---------------------------------------------------------------------------------- */

int deploy_files_open(struct deploy *d)
{
    if (d->root < 0)
        d->root = cachedir_open(DEPLOYS_DIRECTORY);
    return d->root < 0 ? -1 : 0;
}

static void drop_work(struct deploy *d)
{
    if (d->tmp_name)
        (void)directory_remove(d->root, d->tmp_name);
    if (d->tmp >= 0)
        close(TAKE_FD(d->tmp));
    free(TAKE_PTR(d->tmp_name));
}

void deploy_files_close(struct deploy *d)
{
    for (int i = 0; i < DEPLOY_TARS; i++)
        if (d->tars[i].bytes)
            munmap(TAKE_PTR(d->tars[i].bytes), d->tars[i].len);
    if (d->root < 0)
        return;
    drop_work(d);
    close(TAKE_FD(d->root));
}

/* --- what is kept already --------------------------------------------------------------------- */

int deploy_files_manifest(struct deploy *d)
{
    _cleanup_free_ char *name = xasprintf("%s/manifest.json", d->key);
    _cleanup_close_ int fd = openat(d->root, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    json_t *root = fd < 0 ? NULL : json_loadfd(fd, 0, NULL);
    const json_t *images = json_object_get(root, "images");
    int rc = json_is_object(images) ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < d->ctx->plan->seed.services.len; i++) {
        const struct plan_service *s = &d->ctx->plan->seed.services.items[i];
        const char *id = json_string_value(json_object_get(images, s->name));
        if (id)
            replace_str(&d->images[i], id);
        else if (!s->provider->recipe->stateless)
            rc = -1;
    }
    json_decref(root);
    return rc;
}

static int map_tar(struct deploy *d, int dir, int tar, struct error *err)
{
    _cleanup_close_ int fd = openat(dir, tar_names[tar], O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 && errno == ENOENT)
        return 0; /* it was plain */
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot read a kept deploy's '%s'",
                               tar_names[tar]);
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot map a kept deploy's '%s'",
                               tar_names[tar]);
    d->tars[tar].bytes = bytes;
    d->tars[tar].len = (size_t)st.st_size;
    return 0;
}

int deploy_files_map(struct deploy *d, const char *key, struct error *err)
{
    _cleanup_close_ int dir = openat(d->root, key, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open the kept deploy");
    (void)futimens(dir, NULL); /* used now */
    for (int i = 0; i < DEPLOY_TARS; i++)
        if (map_tar(d, dir, i, err) < 0)
            return -1;
    return 0;
}

/* --- to be kept ------------------------------------------------------------------------------ */

static int open_work(struct deploy *d, struct error *err)
{
    if (d->tmp >= 0)
        return 0;
    if (deploy_files_open(d) < 0)
        return error_set(err, ERROR_INTERNAL,
                         "there is no place to keep a deploy: $XDG_CACHE_HOME/cleanroom or "
                         "$HOME/.cache/cleanroom cannot be made, or is not ours alone");
    d->tmp_name = xasprintf(".tmp-%s", d->ctx->plan->run_id);
    if (mkdirat(d->root, d->tmp_name, 0700) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot make '%s'", d->tmp_name);
    d->tmp = openat(d->root, d->tmp_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->tmp < 0 || flock(d->tmp, LOCK_EX | LOCK_NB) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open '%s'", d->tmp_name);
    return 0;
}

int deploy_raw(struct deploy *d, int tar, struct error *err)
{
    if (open_work(d, err) < 0)
        return -1;
    int fd = openat(d->tmp, raw_names[tar], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd < 0 ? error_set_errno(err, ERROR_INTERNAL, errno, "cannot make '%s'", raw_names[tar])
                  : fd;
}

/* "storage/a/b" -> "a/b"; the directory itself is ".". */
static const char *below(const char *path)
{
    const char *slash = strchr(path, '/');
    return slash && slash[1] ? slash + 1 : ".";
}

static int copy_data(struct archive *in, struct archive *out)
{
    char bytes[65536];
    la_ssize_t n;
    while ((n = archive_read_data(in, bytes, sizeof(bytes))) > 0)
        if (archive_write_data(out, bytes, (size_t)n) != n)
            return -1;
    return n < 0 ? -1 : 0;
}

static int copy_entries(struct archive *in, struct archive *out, bool *plain)
{
    struct archive_entry *entry;
    int r;
    *plain = true;
    while ((r = archive_read_next_header(in, &entry)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
        _cleanup_free_ char *path = xstrdup(below(archive_entry_pathname(entry)));
        const char *link = archive_entry_hardlink(entry);
        _cleanup_free_ char *target = link ? xstrdup(below(link)) : NULL;
        bool top = strcmp(path, ".") == 0;
        *plain = *plain && top && (archive_entry_mode(entry) & 07777) == 01777 &&
                 archive_entry_uid(entry) == 0 && archive_entry_gid(entry) == 0;
        archive_entry_set_pathname(entry, path);
        if (target)
            archive_entry_set_hardlink(entry, target);
        if (archive_write_header(out, entry) < ARCHIVE_WARN || copy_data(in, out) < 0)
            return -1;
    }
    return r == ARCHIVE_EOF ? 0 : -1;
}

int deploy_files_strip(int from, int to, bool *plain, struct error *err)
{
    struct archive *in = archive_read_new(), *out = archive_write_new();
    archive_read_support_format_tar(in);
    archive_write_set_format_pax_restricted(out);
    int rc = lseek(from, 0, SEEK_SET) == 0 && archive_read_open_fd(in, from, 65536) == ARCHIVE_OK &&
                     archive_write_open_fd(out, to) == ARCHIVE_OK &&
                     copy_entries(in, out, plain) == 0 && archive_write_close(out) == ARCHIVE_OK
                 ? 0
                 : -1;
    if (rc < 0) {
        const char *why = archive_error_string(in) ? archive_error_string(in)
                                                   : archive_error_string(out);
        error_set(err, ERROR_INTERNAL, "what deploy left could not be kept: %s",
                  why ? why : "the archive makes no sense");
    }
    archive_read_free(in);
    archive_write_free(out);
    return rc;
}

static int strip_tar(struct deploy *d, int tar, struct error *err)
{
    bool plain;
    _cleanup_close_ int from = openat(d->tmp, raw_names[tar], O_RDONLY | O_CLOEXEC);
    _cleanup_close_ int to = openat(d->tmp, tar_names[tar], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                                    0600);
    if (from < 0 || to < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open '%s'", tar_names[tar]);
    if (deploy_files_strip(from, to, &plain, err) < 0)
        return -1;
    (void)unlinkat(d->tmp, raw_names[tar], 0);
    if (plain)
        (void)unlinkat(d->tmp, tar_names[tar], 0);
    return 0;
}

static int write_manifest(struct deploy *d, struct error *err)
{
    json_t *images = json_object();
    for (size_t i = 0; i < d->ctx->plan->seed.services.len; i++)
        if (d->images[i])
            json_object_set_new(images, d->ctx->plan->seed.services.items[i].name,
                                json_string(d->images[i]));
    json_t *root = json_pack("{s:o, s:s}", "images", images, "run", d->ctx->plan->run_id);
    _cleanup_close_ int fd = openat(d->tmp, "manifest.json",
                                    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int rc = fd < 0 || json_dumpfd(root, fd, JSON_INDENT(2)) < 0 || fsync(fd) < 0 ? -1 : 0;
    json_decref(root);
    return rc < 0 ? error_set_errno(err, ERROR_INTERNAL, errno, "cannot write the manifest") : 0;
}

/* --- not too many ----------------------------------------------------------------------------- */

struct kept {
    char *name;
    nsec_t used;
    uint64_t size;
};

static uint64_t size_of(int dir)
{
    uint64_t size = 0;
    struct stat st;
    for (int i = 0; i < DEPLOY_TARS; i++)
        if (fstatat(dir, tar_names[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
            size += (uint64_t)st.st_size;
    return size;
}

static int latest_first(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;
    return x->used < y->used ? 1 : x->used > y->used ? -1 : 0;
}

/* What nobody makes any more: its maker is gone, and so is his lock. */
static void remove_rubbish(int root, const char *name)
{
    _cleanup_close_ int dir = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0 && flock(dir, LOCK_EX | LOCK_NB) == 0)
        (void)directory_remove(root, name);
}

static void evict(int root)
{
    _cleanup_strvec_ struct strvec names = STRVEC_INIT;
    VEC(struct kept) kept = {0};
    uint64_t total = 0;
    if (directory_list(root, &names) < 0)
        return;
    for (size_t i = 0; i < names.len; i++) {
        struct stat st;
        if (names.items[i][0] == '.') {
            remove_rubbish(root, names.items[i]);
            continue;
        }
        _cleanup_close_ int dir = openat(root, names.items[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir >= 0 && fstat(dir, &st) == 0)
            *vec_push(&kept) = (struct kept){
                names.items[i], (nsec_t)st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec,
                size_of(dir)};
    }
    if (kept.len)
        qsort(kept.items, kept.len, sizeof(*kept.items), latest_first);
    for (size_t i = 0; i < kept.len; i++) {
        total += kept.items[i].size;
        if (i > 0 && (i >= DEPLOYS_MAX || total > DEPLOYS_BYTES))
            (void)directory_remove(root, kept.items[i].name);
    }
    vec_deinit(&kept);
}

int deploy_files_keep(struct deploy *d, struct error *err)
{
    if (open_work(d, err) < 0)
        return -1;
    for (int i = 0; i < DEPLOY_TARS; i++)
        if (strip_tar(d, i, err) < 0)
            return -1;
    if (write_manifest(d, err) < 0)
        return -1;

    /* What was there by that name has lost its images, or another run was as fast: ours is whole.
     */
    if (renameat(d->root, d->tmp_name, d->root, d->key) < 0) {
        if (errno != EEXIST && errno != ENOTEMPTY)
            return error_set_errno(err, ERROR_INTERNAL, errno, "cannot keep the deploy");
        if (renameat2(d->root, d->tmp_name, d->root, d->key, RENAME_EXCHANGE) < 0)
            return error_set_errno(err, ERROR_INTERNAL, errno, "cannot keep the deploy");
        (void)directory_remove(d->root, d->tmp_name);
    }
    free(TAKE_PTR(d->tmp_name));
    close(TAKE_FD(d->tmp));
    evict(d->root);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifests of a layout, as OCI, `docker save` and skopeo write them: whatever stands there is
 * taken or refused with one error, and what is refused leaves nothing behind.
 *
 * The input is the layout's files, with a NUL between them: first index.json or manifest.json, by
 * its first byte, then blobs. '@2' in a file is the digest of the blob two files on, and blobs lie
 * where their digests say: so that the fuzzer need not find a SHA-256.
 */
#include "engine/store/manifest.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "engine/store/image.h"
#include "engine/store/import.h"
#include "engine/store/place.h"
#include "engine/store/sha256.h"
#include "engine/store/tree.h"

#define FILES_MAX 8

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char top[] = "/dev/shm/cleanroom-fuzz-XXXXXX";
static int top_fd = -1;
static struct store *store;

static void clean_up(void)
{
    store_close(store);
    (void)tree_remove(AT_FDCWD, top);
}

int LLVMFuzzerInitialize(int *argc _unused_, char ***argv _unused_)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    assert(mkdtemp(top) && atexit(clean_up) == 0);
    top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_free_ char *dir = xasprintf("%s/store", top);
    store = store_open(dir, &err);
    assert(top_fd >= 0 && store);
    return 0;
}

/* --- making a layout ---------------------------------------------------------------------------
 */

struct file {
    const char *bytes;
    size_t len;
    char digest[DIGEST_SIZE];
};

static size_t split(const char *data, size_t size, struct file *files)
{
    size_t count = 0;
    for (const char *at = data, *end = data + size; count < FILES_MAX; count++) {
        const char *nul = count + 1 < FILES_MAX ? memchr(at, '\0', (size_t)(end - at)) : NULL;
        files[count].bytes = at;
        files[count].len = (size_t)((nul ? nul : end) - at);
        if (!nul)
            return count + 1;
        at = nul + 1;
    }
    return count;
}

static void expand(const struct file *files, size_t count, size_t at, struct strbuf *out)
{
    const struct file *f = &files[at];
    for (size_t i = 0; i < f->len; i++) {
        size_t on = i + 1 < f->len ? (size_t)(f->bytes[i + 1] - '0') : 0;
        if (f->bytes[i] == '@' && on > 0 && on < FILES_MAX && at + on < count) {
            (void)strbuf_adds(out, files[at + on].digest);
            i++;
        } else {
            (void)strbuf_addc(out, f->bytes[i]);
        }
    }
}

static void write_file(int dir, const char *name, const struct strbuf *text)
{
    _cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert(fd >= 0 && file_write_all(fd, text->buf, text->len) == 0);
}

/* The last first: only a file before it can name it. Where skopeo has it, too. */
static void write_blobs(int dir, struct file *files, size_t count)
{
    for (size_t i = count; i-- > 1;) {
        struct strbuf text _cleanup_strbuf_ = STRBUF_INIT;
        expand(files, count, i, &text);
        sha256_of(text.buf, text.len, files[i].digest);
        const char *hex = strchr(files[i].digest, ':') + 1;
        _cleanup_free_ char *blob = xasprintf("blobs/sha256/%s", hex);
        write_file(dir, blob, &text);
        write_file(dir, hex, &text);
    }
}

static int make_layout(const char *name, const uint8_t *data, size_t size)
{
    struct file files[FILES_MAX] = {0};
    struct strbuf text _cleanup_strbuf_ = STRBUF_INIT;
    size_t count = split((const char *)data + 1, size - 1, files);
    assert(mkdirat(top_fd, name, 0755) == 0);
    int dir = openat(top_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert(dir >= 0 && mkdirat(dir, "blobs", 0755) == 0 && mkdirat(dir, "blobs/sha256", 0755) == 0);
    write_blobs(dir, files, count);
    expand(files, count, 0, &text);
    write_file(dir, data[0] & 1 ? "index.json" : "manifest.json", &text);
    return dir;
}

/* --- reading it --------------------------------------------------------------------------------
 */

static void check_part(const struct part *part)
{
    assert(part->file);
    assert(!part->digest || digest_hex(part->digest));
}

static void check_manifests(int dir)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    struct manifests all _cleanup_(manifests_deinit) = {0};
    struct layout *layout = layout_open(store, dir, &err);
    int r = manifests_read(layout, &all, &err);
    assert((r < 0) == error_is_set(&err));
    assert(r < 0 || all.len > 0);
    for (size_t i = 0; r == 0 && i < all.len; i++) {
        const struct manifest *m = &all.items[i];
        check_part(&m->config);
        for (size_t j = 0; j < m->layers.len; j++)
            check_part(&m->layers.items[j]);
    }
    layout_free(layout);
}

static void check_import(int dir)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    struct import import _cleanup_(import_deinit) = {.store = store};
    struct store_image image;
    uint64_t freed;
    int r = import_archive(&import, dir, &err);
    assert((r < 0) == error_is_set(&err));
    for (size_t i = 0; r == 0 && i < import.images.len; i++) {
        assert(store_find(store, import.images.items[i].id, &image, NULL) == 1);
        store_image_release(&image);
    }
    assert(store_prune(store, true, 0, &freed, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    int dir = make_layout("layout", data, size);
    int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check_manifests(dir);
    check_import(again);
    assert(tree_remove(top_fd, "layout") == 0);
    return 0;
}

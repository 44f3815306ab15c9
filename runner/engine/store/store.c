/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>

#include "base/cachedir.h"
#include "base/file.h"
#include "base/process.h"
#include "engine/store/image.h"
#include "engine/store/lock.h"
#include "engine/store/place.h"
#include "engine/store/refs.h"

const char *digest_hex(const char *digest)
{
    static const char prefix[] = "sha256:";
    if (!digest || strncmp(digest, prefix, sizeof(prefix) - 1) != 0)
        return NULL;
    const char *hex = digest + sizeof(prefix) - 1;
    return strlen(hex) == 64 && strspn(hex, "0123456789abcdef") == 64 ? hex : NULL;
}

void tmp_name(char out[TMP_NAME_SIZE], const char *what)
{
    uint64_t chance = 0;
    (void)!getrandom(&chance, sizeof(chance), 0);
    (void)snprintf(out, TMP_NAME_SIZE, "%.12s-%016llx", what, (unsigned long long)chance);
}

/* --- opening --------------------------------------------------------------------------------- */

static char *default_path(struct error *err)
{
    char *path = cachedir_path("store");
    if (!path)
        error_set(err, ERROR_CONFIG, "no place for images: set HOME or XDG_CACHE_HOME");
    return path;
}

struct store *store_open(const char *dir, struct error *err)
{
    struct store *store = xcalloc(1, sizeof(*store));
    *store = (struct store){
        .top = -1, .layers = -1, .images = -1, .refs = -1, .tmp = -1, .limit = STORE_LIMIT_DEFAULT};
    store->path = dir ? xstrdup(dir) : default_path(err);
    if (!store->path) {
        free(store);
        return NULL;
    }
    store->user_namespace = geteuid() != 0 || process_in_user_namespace();
    if (place_open(store, err) < 0) {
        store_close(store);
        return NULL;
    }
    return store;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    const int all[] = {store->top, store->layers, store->images, store->refs, store->tmp};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        if (all[i] >= 0)
            close(all[i]);
    free(store->path);
    free(store);
}

const char *store_path(const struct store *store)
{
    return store->path;
}

void store_set_limit(struct store *store, uint64_t bytes)
{
    store->limit = bytes;
}

uint64_t store_limit(const struct store *store)
{
    return store->limit;
}

/* --- files ----------------------------------------------------------------------------------- */

int place_file(struct store *store, int dir, const char *name, const char *text, size_t len,
               bool replace, struct error *err)
{
    char tmp[TMP_NAME_SIZE];
    tmp_name(tmp, "file");
    _cleanup_close_ int fd = lock_open(store->tmp, tmp, O_RDWR | O_CREAT, LOCK_SH);
    if (fd < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot write to '%s/tmp'", store->path);
    if (file_write_all(fd, text, len) == 0 &&
        renameat2(store->tmp, tmp, dir, name, replace ? 0 : RENAME_NOREPLACE) == 0)
        return 0;
    int why = errno;
    (void)unlinkat(store->tmp, tmp, 0);
    if (why == EEXIST)
        return 1;
    return error_set_errno(err, ERROR_INTERNAL, why, "cannot write '%s' to '%s'", name,
                           store->path);
}

int place_nameless(const struct store *store, struct error *err)
{
    int fd = openat(store->tmp, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (fd < 0)
        error_set_errno(err, ERROR_INTERNAL, errno, "cannot write to '%s/tmp'", store->path);
    return fd;
}

/* --- finding --------------------------------------------------------------------------------- */

/* Other ids that lead to an image (a manifest's digest) are kept like names. */
static int find_named(struct store *store, const char *name, struct store_image *out,
                      struct error *err)
{
    struct ref ref;
    int r = ref_read(store, name, &ref, err);
    if (r > 0) {
        r = image_open(store, ref.id, out, err);
        if (r > 0 && ref.digest)
            out->info.digest = TAKE_PTR(ref.digest);
    }
    ref_deinit(&ref);
    return r;
}

int store_find(struct store *store, const char *text, struct store_image *out, struct error *err)
{
    *out = (struct store_image){.lock = -1};
    _cleanup_free_ char *name = ref_normalise(text, err);
    if (!name)
        return -1;
    int r = digest_hex(name) ? image_open(store, name, out, err) : 0;
    if (r == 0)
        r = find_named(store, name, out, err);
    if (r > 0)
        image_touch(out);
    return r;
}

int store_tag(struct store *store, const char *text, const char *id, struct error *err)
{
    _cleanup_free_ char *name = ref_normalise(text, err);
    if (!name)
        return -1;
    if (strcmp(name, id) == 0)
        return 0;
    if (strncmp(name, "sha256:", 7) == 0)
        return error_set(err, ERROR_CONFIG, "'%s' is an id, and cannot name another image", text);
    struct ref ref;
    int r = ref_read(store, name, &ref, err);
    bool same = r > 0 && strcmp(ref.id, id) == 0;
    ref_deinit(&ref);
    if (r < 0 || same)
        return r < 0 ? -1 : 0;
    return ref_write(store, name, id, NULL, err);
}

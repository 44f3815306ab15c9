/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Archives of images and of layers: whatever they hold stays below the store, what is refused
 * leaves nothing behind, and what is taken is whole.
 *
 * The first byte chooses: an archive of images, or the tar archive of one layer.
 */
#include "engine/store/import.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cleanroom/strbuf.h>

#include "engine/store/place.h"
#include "engine/store/tree.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The store lies in a directory of its own: beside it nothing may appear. */
static char top[] = "/dev/shm/cleanroom-fuzz-XXXXXX";
static struct store *store;
static size_t own_names; /* of the store, empty */

static void clean_up(void)
{
    store_close(store);
    (void)tree_remove(AT_FDCWD, top);
}

static size_t count_names(int dir)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fdopendir(fd);
    size_t count = 0;
    while (readdir(d))
        count++;
    closedir(d);
    return count - 2;
}

int LLVMFuzzerInitialize(int *argc _unused_, char ***argv _unused_)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    assert(mkdtemp(top));
    _cleanup_free_ char *dir = xasprintf("%s/store", top);
    store = store_open(dir, &err);
    assert(store);
    own_names = count_names(store->top);
    (void)atexit(clean_up);
    return 0;
}

static void check_store(bool taken)
{
    uint64_t freed;
    _cleanup_close_ int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert(count_names(fd) == 1);
    assert(count_names(store->top) == own_names);
    assert(count_names(store->tmp) == 0);
    assert((count_names(store->images) > 0) >= taken);
    assert(store_prune(store, true, 0, &freed, NULL) == 0);
    assert(count_names(store->layers) == 0 && count_names(store->refs) == 0);
}

static bool load(const uint8_t *data, size_t size)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    struct import import _cleanup_(import_deinit) = {.store = store};
    struct store_image image;
    int fd = memfd_create("archive", MFD_CLOEXEC);
    assert(write(fd, data, size) == (ssize_t)size);
    assert(lseek(fd, 0, SEEK_SET) == 0);
    int r = import_archive(&import, fd, &err);
    assert(r == 0 || error_is_set(&err));
    if (r == 0) {
        assert(store_find(store, import.id, &image, NULL) == 1);
        store_image_release(&image);
    }
    return r == 0;
}

static bool add(const uint8_t *data, size_t size)
{
    struct error err _cleanup_error_ = ERROR_INIT;
    char *id = NULL;
    int r = store_add_rootfs(store, "fuzz", NULL, data, size, &id, &err);
    assert(r == 0 || error_is_set(&err));
    free(id);
    return r == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    bool taken = data[0] & 1 ? load(data + 1, size - 1) : add(data + 1, size - 1);
    check_store(taken);
    return 0;
}

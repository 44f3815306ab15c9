/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order matters: an image's file goes first, then its layers; a layer is locked before the images
 * are looked through, so that one that is just being given to an image is seen by either side.
 */
#include "engine/store/prune.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include <cleanroom/log.h>

#include "engine/store/image.h"
#include "engine/store/layer.h"
#include "engine/store/lock.h"
#include "engine/store/place.h"
#include "engine/store/refs.h"
#include "engine/store/tree.h"

#define LOCKS_AT_ONCE 128
/* What nothing names is used by its id, or was built anew under its name. */
#define UNNAMED_KEPT (INT64_C(3600) * NSEC_PER_SEC)

/* --- rubbish --------------------------------------------------------------------------------- */

void prune_rubbish(struct store *store)
{
    _cleanup_strvec_ struct strvec names = STRVEC_INIT;
    (void)tree_names(store->tmp, &names);
    for (size_t i = 0; i < names.len; i++) {
        _cleanup_close_ int fd = lock_open(store->tmp, names.items[i], O_RDONLY, LOCK_EX | LOCK_NB);
        if (fd >= 0 && tree_remove(store->tmp, names.items[i]) < 0)
            log_debug("store: cannot remove tmp/%s: %s", names.items[i], strerror(errno));
    }
}

/* --- layers ---------------------------------------------------------------------------------- */

/* The layers that images name, by their names in layers/. */
static int named_layers(struct store *store, struct strvec *out, struct error *err)
{
    _cleanup_(image_records_deinit) struct image_records records = {0};
    if (image_records_read(store, &records, err) < 0)
        return -1;
    for (size_t i = 0; i < records.len; i++) {
        const struct strvec *ids = &records.items[i].diff_ids;
        for (size_t j = 0; j < ids->len; j++) {
            char name[LAYER_NAME_SIZE];
            if (layer_name(ids->items[j], name) == 0 && !strvec_contains(out, name))
                strvec_push(out, name);
        }
    }
    return 0;
}

/* Moved away first: what is half removed must not be taken for a layer. */
static uint64_t remove_layer(struct store *store, const char *name, int fd)
{
    char gone[TMP_NAME_SIZE];
    uint64_t size = tree_size(fd);
    tmp_name(gone, "gone");
    if (renameat(store->layers, name, store->tmp, gone) < 0)
        return 0;
    if (tree_remove(store->tmp, gone) < 0)
        log_debug("store: cannot remove tmp/%s: %s", gone, strerror(errno));
    return size;
}

struct candidate {
    const char *name;
    int fd;
};

static int remove_unnamed(struct store *store, struct candidate *candidates, size_t count,
                          uint64_t *freed, struct error *err)
{
    _cleanup_strvec_ struct strvec named = STRVEC_INIT;
    int r = count ? named_layers(store, &named, err) : 0;
    for (size_t i = 0; i < count; i++) {
        if (r == 0 && !strvec_contains(&named, candidates[i].name))
            *freed += remove_layer(store, candidates[i].name, candidates[i].fd);
        close(candidates[i].fd);
    }
    return r;
}

int prune_layers(struct store *store, uint64_t *freed, struct error *err)
{
    _cleanup_strvec_ struct strvec names = STRVEC_INIT, named = STRVEC_INIT;
    struct candidate candidates[LOCKS_AT_ONCE];
    size_t count = 0;
    if (named_layers(store, &named, err) < 0)
        return -1;
    if (tree_names(store->layers, &names) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot read '%s/layers'", store->path);
    for (size_t i = 0; i < names.len; i++) {
        if (strvec_contains(&named, names.items[i]))
            continue;
        int fd = lock_open(store->layers, names.items[i], O_RDONLY, LOCK_EX | LOCK_NB);
        if (fd >= 0)
            candidates[count++] = (struct candidate){names.items[i], fd};
        if (count == LOCKS_AT_ONCE) {
            if (remove_unnamed(store, candidates, count, freed, err) < 0)
                return -1;
            count = 0;
        }
    }
    return remove_unnamed(store, candidates, count, freed, err);
}

/* --- images ---------------------------------------------------------------------------------- */

/* 1: gone; 0: somebody uses it, or it was gone. */
static int remove_image(struct store *store, const char *id, const struct ref_list *refs)
{
    char file[IMAGE_FILE_SIZE];
    if (!image_file(id, file))
        return 0;
    _cleanup_close_ int fd = lock_open(store->images, file, O_RDONLY, LOCK_EX | LOCK_NB);
    if (fd < 0 || unlinkat(store->images, file, 0) < 0)
        return 0;
    for (size_t i = 0; i < refs->len; i++)
        if (strcmp(refs->items[i].id, id) == 0)
            (void)ref_remove(store, &refs->items[i]);
    return 1;
}

static bool is_in_use(struct store *store, const char *id)
{
    char file[IMAGE_FILE_SIZE];
    if (!image_file(id, file))
        return false;
    _cleanup_close_ int fd = lock_open(store->images, file, O_RDONLY, LOCK_EX | LOCK_NB);
    return fd < 0 && errno == EWOULDBLOCK;
}

struct everything {
    struct ref_list refs;
    struct image_records images;
};

static void everything_deinit(struct everything *all)
{
    ref_list_deinit(&all->refs);
    image_records_deinit(&all->images);
}

static int read_everything(struct store *store, struct everything *all, struct error *err)
{
    *all = (struct everything){0};
    return ref_list(store, &all->refs, err) < 0 || image_records_read(store, &all->images, err) < 0
               ? -1
               : 0;
}

/* --- the list -------------------------------------------------------------------------------- */

static uint64_t size_of(const struct image_record *image)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < image->sizes.len; i++)
        sum += image->sizes.items[i];
    return sum;
}

/* Not the ids by which others know an image. */
static bool is_name(const struct ref *ref)
{
    return digest_hex(ref->name) == NULL;
}

/* NAME@sha256:...: noted whenever something came from a registry, so it is what an image is called
   only when nothing else is. */
static bool is_pinned(const struct ref *ref)
{
    return strchr(ref->name, '@') != NULL;
}

static int latest_first(const void *a, const void *b)
{
    const struct store_entry *x = a, *y = b;
    return x->used == y->used ? strcmp(x->id, y->id) : x->used < y->used ? 1 : -1;
}

static void add_names(const struct everything *all, struct store_entry *entry, bool pinned)
{
    for (size_t i = 0; i < all->refs.len; i++) {
        const struct ref *ref = &all->refs.items[i];
        if (strcmp(ref->id, entry->id) == 0 && is_name(ref) && is_pinned(ref) == pinned)
            strvec_take(&entry->refs, ref_familiar(ref->name));
    }
}

int store_list(struct store *store, struct store_entries *out, struct error *err)
{
    *out = (struct store_entries){0};
    _cleanup_(everything_deinit) struct everything all;
    if (read_everything(store, &all, err) < 0)
        return -1;
    for (size_t i = 0; i < all.images.len; i++) {
        const struct image_record *image = &all.images.items[i];
        struct store_entry *entry = vec_push(out);
        entry->id = xstrdup(image->id);
        entry->size = size_of(image);
        entry->used = image->used;
        entry->in_use = is_in_use(store, image->id);
        entry->snapshot = xstrdup(image->snapshot);
        add_names(&all, entry, false);
        if (entry->refs.len == 0)
            add_names(&all, entry, true);
    }
    if (out->len)
        qsort(out->items, out->len, sizeof(*out->items), latest_first);
    return 0;
}

void store_entries_deinit(struct store_entries *entries)
{
    for (size_t i = 0; i < entries->len; i++) {
        free(entries->items[i].id);
        free(entries->items[i].snapshot);
        strvec_deinit(&entries->items[i].refs);
    }
    vec_deinit(entries);
}

/* --- removing one ---------------------------------------------------------------------------- */

/* The image that is meant by an id or its beginning; NULL and, when several are, *err. */
static const struct image_record *by_beginning(const struct everything *all, const char *what,
                                               struct error *err)
{
    const struct image_record *found = NULL;
    const char *hex = strncmp(what, "sha256:", 7) == 0 ? what + 7 : what;
    size_t len = strlen(hex);
    if (len < 4 || strspn(hex, "0123456789abcdef") != len)
        return NULL;
    for (size_t i = 0; i < all->images.len; i++) {
        if (strncmp(digest_hex(all->images.items[i].id), hex, len) != 0)
            continue;
        if (found) {
            error_set(err, ERROR_USAGE, "'%s' is the beginning of more than one image's id", what);
            return NULL;
        }
        found = &all->images.items[i];
    }
    return found;
}

/* Whether it keeps a name without this one (NULL: whether it has any). */
static bool is_named(const struct everything *all, const char *id, const struct ref *without)
{
    for (size_t i = 0; i < all->refs.len; i++) {
        const struct ref *ref = &all->refs.items[i];
        if (ref != without && strcmp(ref->id, id) == 0 && is_name(ref) &&
            (!without || !is_pinned(ref)))
            return true;
    }
    return false;
}

static int remove_or_say(struct store *store, const struct everything *all, const char *id,
                         const char *what, struct error *err)
{
    uint64_t freed = 0;
    if (!remove_image(store, id, &all->refs) && is_in_use(store, id))
        return error_set(err, ERROR_ENGINE, "image '%s' is in use by a run", what);
    for (size_t i = 0; i < all->refs.len; i++)
        if (strcmp(all->refs.items[i].id, id) == 0)
            (void)ref_remove(store, &all->refs.items[i]);
    return prune_layers(store, &freed, err) < 0 ? -1 : 1;
}

static const struct ref *by_name(const struct everything *all, const char *what)
{
    _cleanup_free_ char *name = ref_normalise(what, NULL);
    for (size_t i = 0; name && i < all->refs.len; i++)
        if (strcmp(all->refs.items[i].name, name) == 0)
            return &all->refs.items[i];
    return NULL;
}

int store_remove(struct store *store, const char *what, struct error *err)
{
    _cleanup_(everything_deinit) struct everything all;
    if (read_everything(store, &all, err) < 0)
        return -1;
    const struct ref *ref = by_name(&all, what);
    if (ref && is_name(ref) && is_named(&all, ref->id, ref))
        return ref_remove(store, ref) < 0 && errno != ENOENT
                   ? error_set_errno(err, ERROR_INTERNAL, errno, "cannot remove '%s'", what)
                   : 1;
    if (ref)
        return remove_or_say(store, &all, ref->id, what, err);
    const struct image_record *image = by_beginning(&all, what, err);
    if (!image)
        return err && error_is_set(err) ? -1 : 0;
    return remove_or_say(store, &all, image->id, what, err);
}

/* --- keeping it small ------------------------------------------------------------------------ */

/* Each layer once, whoever else has it. */
static uint64_t total_size(const struct image_records *images)
{
    _cleanup_strvec_ struct strvec seen = STRVEC_INIT;
    uint64_t sum = 0;
    for (size_t i = 0; i < images->len; i++) {
        const struct image_record *image = &images->items[i];
        for (size_t j = 0; j < image->diff_ids.len; j++) {
            if (strvec_contains(&seen, image->diff_ids.items[j]))
                continue;
            strvec_push(&seen, image->diff_ids.items[j]);
            sum += image->sizes.items[j];
        }
    }
    return sum;
}

/* What nothing names goes first. */
static int first_to_go(const void *a, const void *b)
{
    const struct image_record *x = a, *y = b;
    if (x->named != y->named)
        return x->named ? 1 : -1;
    return x->used == y->used ? 0 : x->used < y->used ? -1 : 1;
}

static void evict(struct store *store, struct everything *all, bool every, uint64_t max)
{
    struct image_records *images = &all->images;
    nsec_t stale = clock_wall() - UNNAMED_KEPT;
    for (size_t i = 0; i < images->len; i++)
        images->items[i].named = is_named(all, images->items[i].id, NULL);
    if (images->len)
        qsort(images->items, images->len, sizeof(*images->items), first_to_go);
    uint64_t total = total_size(images);
    for (size_t i = 0; i < images->len; i++) {
        struct image_record *image = &images->items[i];
        bool rubbish = !image->named && image->used < stale;
        if (!every && !rubbish && (max == 0 || total <= max))
            continue;
        if (!remove_image(store, image->id, &all->refs))
            continue;
        log_debug("store: image %s is removed", image->id);
        strvec_deinit(&image->diff_ids); /* it counts no more */
        total = total_size(images);
    }
}

/* Names of what is not there any more. */
static void remove_dead_names(struct store *store, const struct everything *all)
{
    for (size_t i = 0; i < all->refs.len; i++) {
        char file[IMAGE_FILE_SIZE];
        if (image_file(all->refs.items[i].id, file) &&
            faccessat(store->images, file, F_OK, 0) < 0 && errno == ENOENT)
            (void)ref_remove(store, &all->refs.items[i]);
    }
}

int store_prune(struct store *store, bool all, uint64_t max, uint64_t *freed, struct error *err)
{
    *freed = 0;
    _cleanup_(everything_deinit) struct everything now;
    prune_rubbish(store);
    if (read_everything(store, &now, err) < 0)
        return -1;
    evict(store, &now, all, max);
    remove_dead_names(store, &now);
    return prune_layers(store, freed, err);
}

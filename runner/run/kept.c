/* SPDX-License-Identifier: Apache-2.0 */
#include "run/kept.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cleanroom/log.h>

#include "base/cachedir.h"
#include "report/directory.h"
#include "run/deploy.h"
#include "run/lease.h"
#include "run/satellite_image.h"
#include "run/snapshot.h"

/* Somebody may just be about to use it by its id. */
#define UNNAMED_KEPT (INT64_C(3600) * NSEC_PER_SEC)
/* See kept.h: nobody here knows who uses it. */
#define FOREIGN_DEPLOY_KEPT (INT64_C(24) * 3600 * NSEC_PER_SEC)
#define TRIM_TIME           (10 * NSEC_PER_SEC)

/* --- what there is --------------------------------------------------------------------------- */

/* The tag of a name of ours, which is a key or begins with one; NULL for any other name. */
static const char *tag_of(const char *name, const char *repository)
{
    size_t len = strlen(repository);
    const char *tag = strncmp(name, repository, len) == 0 && name[len] == ':' ? name + len + 1
                                                                              : NULL;
    return tag && strspn(tag, "0123456789abcdef") == KEY_SIZE - 1 ? tag : NULL;
}

/* -1: it is none of ours. *key is the caller's. */
static int classify(const struct kept_image *image, enum kept_kind *kind, char **key)
{
    const char *tag;
    if (!*image->name) {
        *kind = KEPT_UNNAMED;
        *key = xstrdup(image->id);
        return 0;
    }
    if ((tag = tag_of(image->name, SATELLITE_REPOSITORY)))
        *kind = KEPT_SATELLITE;
    else if ((tag = tag_of(image->name, SNAPSHOT_REPOSITORY)))
        *kind = tag[KEY_SIZE - 1] == '-' ? KEPT_DEPLOY : KEPT_SNAPSHOT;
    else
        return -1;
    if (*kind != KEPT_DEPLOY && tag[KEY_SIZE - 1] != '\0')
        return -1;
    *key = xstrndup(tag, KEY_SIZE - 1);
    return 0;
}

static struct kept_item *item_of(struct kept *k, enum kept_kind kind, const char *key)
{
    for (size_t i = 0; i < k->len; i++)
        if (k->items[i].kind == kind && strcmp(k->items[i].key, key) == 0)
            return &k->items[i];
    struct kept_item *item = vec_push(k);
    item->kind = kind;
    item->key = xstrdup(key);
    return item;
}

static bool has_files(int deploys, const char *key)
{
    struct stat st;
    return deploys >= 0 && fstatat(deploys, key, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void look_at_leases(struct kept *k)
{
    _cleanup_close_ int deploys = cachedir_open(DEPLOYS_DIRECTORY);
    for (size_t i = 0; i < k->len; i++) {
        struct kept_item *item = &k->items[i];
        nsec_t used;
        if (item->kind == KEPT_UNNAMED || !lease_look(item->key, &used))
            continue;
        item->noted = true;
        item->used = used > item->used ? used : item->used;
        item->orphan = item->kind == KEPT_DEPLOY && !has_files(deploys, item->key);
    }
}

static int latest_first(const void *a, const void *b)
{
    const struct kept_item *x = a, *y = b;
    return x->used == y->used ? strcmp(x->key, y->key) : x->used < y->used ? 1 : -1;
}

void kept_take(struct kept *k, const struct kept_image *images, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum kept_kind kind;
        _cleanup_free_ char *key = NULL;
        if (classify(&images[i], &kind, &key) < 0)
            continue;
        struct kept_item *item = item_of(k, kind, key);
        *vec_push(&item->parts) = (struct kept_part){xstrdup(images[i].id), xstrdup(images[i].name),
                                                     images[i].size};
        item->used = images[i].created > item->used ? images[i].created : item->used;
    }
    look_at_leases(k);
    if (k->len)
        qsort(k->items, k->len, sizeof(*k->items), latest_first);
}

static void on_list(void *data, enum engine_outcome outcome, const struct kept_image *images,
                    size_t count, const struct error *err)
{
    struct kept *k = data;
    if (outcome == ENGINE_OK)
        kept_take(k, images, count);
    else
        error_copy(&k->error, err);
    k->done(k->data);
}

void kept_init(struct kept *k, struct engine *engine, nsec_t deadline, void (*done)(void *data),
               void *data)
{
    *k = (struct kept){
        .engine = engine, .deadline = deadline, .done = done, .data = data, .lease = -1};
}

void kept_list(struct kept *k)
{
    k->engine->ops->list_kept(k->engine, k->deadline, on_list, k);
}

void kept_deinit(struct kept *k)
{
    for (size_t i = 0; i < k->len; i++) {
        struct kept_item *item = &k->items[i];
        for (size_t j = 0; j < item->parts.len; j++) {
            free(item->parts.items[j].id);
            free(item->parts.items[j].name);
        }
        vec_deinit(&item->parts);
        free(item->key);
    }
    vec_deinit(k);
    if (k->lease >= 0)
        close(k->lease);
    strvec_deinit(&k->left);
    error_clear(&k->error);
}

/* --- what is too much ------------------------------------------------------------------------ */

void kept_mark_excess(struct kept *k, nsec_t now)
{
    size_t kept = 0, satellites = 0;
    for (size_t i = 0; i < k->len; i++) {
        struct kept_item *item = &k->items[i];
        switch (item->kind) {
        case KEPT_SNAPSHOT:
            item->going = ++kept > KEPT_MAX;
            break;
        case KEPT_DEPLOY:
            item->going = item->orphan || (++kept > KEPT_MAX &&
                                           (item->noted || now - item->used > FOREIGN_DEPLOY_KEPT));
            break;
        case KEPT_SATELLITE:
            item->going = item->noted && ++satellites > KEPT_SATELLITES;
            break;
        case KEPT_UNNAMED:
            item->going = now - item->used > UNNAMED_KEPT;
            break;
        }
    }
}

/* --- removal --------------------------------------------------------------------------------- */

/* The one that went unused for longest is first, should there not be time for all. */
static struct kept_item *next_item(struct kept *k)
{
    return k->item < k->len ? &k->items[k->len - 1 - k->item] : NULL;
}

static void remove_files(const struct kept_item *item)
{
    _cleanup_close_ int deploys = cachedir_open(DEPLOYS_DIRECTORY);
    if (deploys >= 0)
        (void)directory_remove(deploys, item->key);
}

/* Whoever wanted to use it while it went has been told that it is not there. */
static void end_item(struct kept *k, struct kept_item *item)
{
    if (item->kind == KEPT_DEPLOY && item->removed)
        remove_files(item);
    if (item->kind != KEPT_UNNAMED && item->removed)
        lease_end(item->key, k->lease);
    else if (k->lease >= 0)
        close(k->lease);
    k->lease = -1;
    k->item++;
    k->part = 0;
}

static void note_removal(struct kept *k, enum engine_outcome outcome, const struct error *err)
{
    struct kept_item *item = next_item(k);
    const struct kept_part *part = &item->parts.items[k->part++];
    const char *name = *part->name ? part->name : part->id;
    if (outcome == ENGINE_OK) {
        k->count++;
        if (k->said)
            k->said(k->data, name);
    } else if (outcome != ENGINE_NOT_FOUND) {
        const char *why = outcome == ENGINE_CONFLICT ? "it is in use" : err->message;
        log_debug("%s is kept: %s", name, why);
        strvec_pushf(&k->left, "%s: %s", name, why);
        item->removed = false;
    }
}

static void on_removed(void *data, enum engine_outcome outcome, const struct error *err)
{
    struct kept *k = data;
    note_removal(k, outcome, err);
    kept_remove(k);
}

/* Whether somebody whom we can see uses it. */
static bool seize(struct kept *k, struct kept_item *item)
{
    item->removed = item->kind == KEPT_UNNAMED || lease_seize(item->key, &k->lease);
    if (!item->removed)
        strvec_pushf(&k->left, "%s: a run uses it", item->parts.items[0].name);
    return item->removed;
}

/* By its id: its name may be another one's by now. */
static void remove_part(struct kept *k, const struct kept_part *part)
{
    k->engine->ops->remove(k->engine, OBJECT_IMAGE, part->id, k->deadline, on_removed, k);
}

void kept_remove(struct kept *k)
{
    struct kept_item *item;
    while ((item = next_item(k))) {
        if (!item->going || (k->part == 0 && !seize(k, item))) {
            k->item++;
        } else if (k->part < item->parts.len) {
            remove_part(k, &item->parts.items[k->part]);
            return;
        } else {
            end_item(k, item);
        }
    }
    k->done(k->data);
}

/* --- at the end of a run --------------------------------------------------------------------- */

struct trim {
    struct kept kept;
    bool listed, stop;
};

static void trim_goes_on(void *data)
{
    struct trim *t = data;
    if (t->listed || error_is_set(&t->kept.error)) {
        t->stop = true;
        return;
    }
    t->listed = true;
    kept_mark_excess(&t->kept, clock_wall());
    kept_remove(&t->kept);
}

static void on_interrupt(void *data, int fd, short revents)
{
    (void)fd, (void)revents;
    struct trim *t = data;
    t->stop = true;
}

void kept_trim(struct engine *engine, nsec_t limit, int interrupt)
{
    if (!engine->ops->list_kept)
        return;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct trim t = {0};
    kept_init(&t.kept, engine, clock_now() + (limit < TRIM_TIME ? limit : TRIM_TIME), trim_goes_on,
              &t);
    loop_watch(engine->loop, interrupt, POLLIN, on_interrupt, &t);
    kept_list(&t.kept);
    if (loop_run(engine->loop, &t.stop, &err) < 0)
        log_debug("%s", err.message);
    loop_unwatch(engine->loop, interrupt);
    if (error_is_set(&t.kept.error))
        log_debug("what is kept could not be looked through: %s", t.kept.error.message);
    log_debug("%zu images that were kept are removed", t.kept.count);
    kept_deinit(&t.kept);
}

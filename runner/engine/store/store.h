/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image store of the embedded engine: content-addressed, shared by all runs of one user.
 *
 * $XDG_CACHE_HOME/cleanroom/store (or $HOME/.cache/...), mode 0700:
 *     layers/<24 hex of the diff id>/   one unpacked layer, as overlayfs wants a lower directory;
 *                                       names are short because mount(2) takes one page of options
 *     images/<64 hex>.json              an image by the digest of its configuration (OCI image-spec
 *                                       config.md): its configuration, its layers, sizes, times
 *     refs/<escaped reference>          names an image; atomically replaced
 *     tmp/                              work in progress; what no living process locks is rubbish
 *     layout-2                          all of this came to be in a way that we trust
 *
 * Everything becomes visible by rename(2), so a killed import leaves nothing half and concurrent
 * ones agree. Who uses an image holds a shared lock on its file; removal and eviction need the
 * exclusive one, so what runs is never pulled away. Last use is the file's mtime.
 *
 * All functions may block on the disk: long ones run in a process of their own (import.h). As an
 * ordinary user they run inside the user namespace of userns.h, where owners can be kept.
 */
#ifndef CLEANROOM_STORE_H
#define CLEANROOM_STORE_H

#include <cleanroom/engine.h>

struct store;

/* dir: NULL for the default place. Makes what is missing. It must be nobody else's: ERROR_CONFIG.
 */
struct store *store_open(const char *dir, struct error *err);
/* Accepts NULL. */
void store_close(struct store *store);
/* The store's absolute path; layers are named relative to it. */
const char *store_path(const struct store *store);
/* How large imports let it grow, in bytes, before the least recently used images go; 0 = without
   limit. STORE_LIMIT_DEFAULT until it is set. */
#define STORE_LIMIT_DEFAULT (UINT64_C(20) << 30)
void store_set_limit(struct store *store, uint64_t bytes);
uint64_t store_limit(const struct store *store);

/* An image in use; release with store_image_release(). */
struct store_image {
    struct image_info info;
    char *working_dir;    /* the image's WORKDIR, "" = "/" */
    int stop_signal;      /* the image's STOPSIGNAL, 0 = none named */
    struct strvec layers; /* relative to store_path(), topmost first, as overlayfs wants them */
    int lock;             /* descriptor with the shared lock, to be kept while it is mounted */
};
/* By reference or by id ("sha256:..."). 1: found, locked and marked as used; 0: not there. */
int store_find(struct store *store, const char *ref, struct store_image *out, struct error *err);
void store_image_release(struct store_image *image);

/* Names an image that is there; ref is normalised as in docker/reference.h. */
int store_tag(struct store *store, const char *ref, const char *id, struct error *err);

/* An image of one layer, from an uncompressed tar of a root file system. *id is the caller's. */
int store_add_rootfs(struct store *store, const char *name, const char *const *entrypoint,
                     const void *tar, size_t len, char **id, struct error *err);
/* An image of `parent` with one layer more: a copy of an overlay's upper directory, whiteouts and
   opaque directories included. label may be NULL (LABEL_SNAPSHOT's value). */
int store_add_upper(struct store *store, const char *name, const char *parent, const char *upper,
                    const char *label, char **id, struct error *err);

/* One line of `cleanroom image ls`. */
struct store_entry {
    char *id;
    struct strvec refs;
    uint64_t size; /* bytes, of all its layers */
    nsec_t used;   /* clock_wall() */
    bool in_use;
    char *snapshot; /* key, or NULL */
};
struct store_entries {
    struct store_entry *items;
    size_t len, cap;
};
int store_list(struct store *store, struct store_entries *out, struct error *err);
void store_entries_deinit(struct store_entries *entries);

/* Removes the reference, or the image with all its references when `what` is an id (or a unique
   beginning of one), then whatever nothing names any more. 1: removed; 0: not there; an image in
   use is an error. */
int store_remove(struct store *store, const char *what, struct error *err);
/* Removes rubbish (and images without a name that nobody used for an hour), all unused images when
   `all`, else least recently used ones until the store is at most max bytes, unless that is 0.
   *freed takes the bytes. */
int store_prune(struct store *store, bool all, uint64_t max, uint64_t *freed, struct error *err);

#endif

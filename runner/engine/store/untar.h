/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One layer of an image, from a tar stream to a directory as overlayfs wants it.
 *
 * OCI image-spec layer.md: ".wh.x" becomes a whiteout (a character device 0:0), ".wh..wh..opq" the
 * opaque attribute of its directory. Nodes of devices are left out. Every name is resolved as if
 * the directory were the root (openat2, RESOLVE_IN_ROOT), so that no ".." and no link of the
 * archive leads out of it.
 */
#ifndef STORE_UNTAR_H
#define STORE_UNTAR_H

#include <stdbool.h>
#include <stdint.h>

#include <cleanroom/error.h>
#include <cleanroom/vec.h>

struct archive;

struct untar_time {
    char *path;
    int64_t sec;
    long nsec;
};

struct untar {
    int dir;             /* the layer's directory, empty */
    bool user_namespace; /* the opaque attribute has another name */
    bool durable;        /* each file is on the disk when it is done: for a few small ones */
    uint64_t max_bytes, max_entries;

    uint64_t bytes, entries; /* so far */
    /* Its own: */
    int parent; /* the directory named by parent_name, or -1 */
    char *parent_name;
    struct strvec devices;        /* that were left out: "directory/name" */
    VEC(struct untar_time) times; /* of directories, for the end */
};

void untar_init(struct untar *u, int dir, bool user_namespace);
/* Unpacks everything that follows. -1 and ERROR_ENGINE for what is wrong with the archive, or
   ERROR_INTERNAL for this machine. */
int untar_all(struct untar *u, struct archive *a, struct error *err);
void untar_deinit(struct untar *u);

#endif

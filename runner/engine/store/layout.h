/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files by name: of a directory, or in a tar archive that can be read at any place. This is what an
 * OCI layout and `docker save` have in common. Links among them are followed, and lead nowhere
 * else.
 */
#ifndef STORE_LAYOUT_H
#define STORE_LAYOUT_H

#include <stdint.h>

#include <cleanroom/strbuf.h>

#include "engine/store/store.h"

struct archive;
struct layout;

/* The compressions that layers and archives come in, and no other: libarchive runs programs for
   some of those it knows. */
void layout_support_filters(struct archive *a);

/* fd, which is taken over also on failure: a directory, a file, or a pipe. What is compressed, or
   cannot be read at any place, is first written to a nameless file in the store. */
struct layout *layout_open(struct store *store, int fd, struct error *err);
void layout_free(struct layout *layout);

/* One of its files, read from its beginning. */
struct stream {
    int fd;            /* or -1: */
    struct archive *a; /* an entry of the archive */
    char *block;
    uint64_t size;
    uint64_t done;
};
/* 1: open; 0: there is none of that name; -1: *err. */
int layout_file(struct layout *layout, const char *name, struct stream *out, struct error *err);
void stream_deinit(struct stream *stream);
/* The next bytes, valid until the next call; 0 at the end, -1 when it cannot be read. */
ssize_t stream_read(struct stream *stream, const void **bytes);

/* A whole file; 0: there is none; -1 also when it is larger than what such a text may be. */
int layout_text(struct layout *layout, const char *name, struct strbuf *out, struct error *err);

#endif

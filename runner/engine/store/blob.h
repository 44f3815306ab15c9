/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer as it travels: a tar archive, mostly compressed (gzip, zstd ...), to a directory of the
 * store, with both of its digests checked on the way.
 */
#ifndef STORE_BLOB_H
#define STORE_BLOB_H

#include "engine/store/layout.h"
#include "engine/store/untar.h"

struct blob {
    const char *digest;                          /* of what travels, or NULL: unknown */
    const char *diff_id;                         /* of the archive inside */
    void (*progress)(void *data, uint64_t done); /* bytes of the stream; or NULL */
    void *data;
};
/* ERROR_ENGINE when it is not what it should be. */
int blob_unpack(const struct blob *blob, struct stream *stream, struct untar *to,
                struct error *err);

#endif

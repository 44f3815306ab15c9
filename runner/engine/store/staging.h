/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory in tmp/ that is being filled. It is locked, so that nobody takes it for rubbish.
 */
#ifndef STORE_STAGING_H
#define STORE_STAGING_H

#include <sys/types.h>

#include "engine/store/place.h"

struct staging {
    struct store *store;
    char name[TMP_NAME_SIZE]; /* below tmp/; "" once it has found its place */
    int fd;                   /* locked; it stays so through a rename */
};
#define STAGING_INIT                                                                               \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* what: the beginning of its name. */
int staging_begin(struct staging *s, struct store *store, const char *what, mode_t mode,
                  struct error *err);
/* Gives it its place in `dir`, where there must be nothing of that name. 0, or -1 with errno. */
int staging_place(struct staging *s, int dir, const char *name);
/* Removes what has not found its place. */
void staging_deinit(struct staging *s);

#endif

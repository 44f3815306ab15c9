/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name of what is kept between runs: a digest of everything that shaped it. Parts are told
 * apart by their lengths, so that no two lists of parts are one text. Pure.
 */
#ifndef CLEANROOM_KEY_H
#define CLEANROOM_KEY_H

#include <cleanroom/provider.h>

#include "engine/store/sha256.h"

struct key {
    struct sha256 hash;
};

/* 32 hexadecimal digits and the end. */
#define KEY_SIZE 33

/* what: "service", "deploy". */
void key_begin(struct key *k, const char *what);
void key_add(struct key *k, const char *part);
/* The list as one part, in its order; random ones among `random` (of this run only) left out. */
void key_add_list(struct key *k, const struct strvec *list, const struct strvec *random);
void key_end(struct key *k, char out[KEY_SIZE]);

/* Everything of a recipe's first plan that shapes what its container writes. */
void key_add_service(struct key *k, const struct provider *provider, const char *image_id,
                     const struct service_plan *first);

#endif

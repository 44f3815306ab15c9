/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which things are known by a name: a hash table from strings to numbers that only grows.
 */
#ifndef READ_INDEX_H
#define READ_INDEX_H

#include <stddef.h>
#include <stdint.h>

#define INDEX_NONE SIZE_MAX

struct index_entry {
    char *key;
    size_t first, last; /* the user's; INDEX_NONE in a new entry */
};

struct index {
    struct index_entry *entries; /* cap of them, a power of two */
    size_t len, cap;
};

/* NULL when there is none. Valid until the next index_add(). */
struct index_entry *index_find(const struct index *x, const char *key);
/* Finds or adds. */
struct index_entry *index_add(struct index *x, const char *key);
void index_deinit(struct index *x);

#endif

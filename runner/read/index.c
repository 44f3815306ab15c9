/* SPDX-License-Identifier: Apache-2.0 */
#include "read/index.h"

#include <string.h>

#include <cleanroom/mem.h>

/* FNV-1a. */
static uint64_t hash(const char *key)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * UINT64_C(1099511628211);
    return h ^ h >> 32;
}

/* Where key is, or would be. */
static struct index_entry *place(const struct index *x, const char *key)
{
    size_t at = hash(key) & (x->cap - 1);
    while (x->entries[at].key && strcmp(x->entries[at].key, key) != 0)
        at = (at + 1) & (x->cap - 1);
    return &x->entries[at];
}

static void grow(struct index *x)
{
    struct index larger = {.len = x->len, .cap = x->cap ? x->cap * 2 : 64};
    larger.entries = xcalloc(larger.cap, sizeof(*larger.entries));
    for (size_t i = 0; i < x->cap; i++)
        if (x->entries[i].key)
            *place(&larger, x->entries[i].key) = x->entries[i];
    free(x->entries);
    *x = larger;
}

struct index_entry *index_find(const struct index *x, const char *key)
{
    struct index_entry *e = x->cap ? place(x, key) : NULL;
    return e && e->key ? e : NULL;
}

struct index_entry *index_add(struct index *x, const char *key)
{
    if (x->len * 4 >= x->cap * 3)
        grow(x);
    struct index_entry *e = place(x, key);
    if (e->key)
        return e;
    *e = (struct index_entry){xstrdup(key), INDEX_NONE, INDEX_NONE};
    x->len++;
    return e;
}

void index_deinit(struct index *x)
{
    for (size_t i = 0; i < x->cap; i++)
        free(x->entries[i].key);
    free(x->entries);
    *x = (struct index){0};
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growable arrays: VEC(type) for any type, strvec for owned strings.
 *
 *     VEC(struct mount) mounts = {0};
 *     *vec_push(&mounts) = (struct mount){...};
 *     for (size_t i = 0; i < mounts.len; i++) use(&mounts.items[i]);
 *     vec_deinit(&mounts);          // frees the array, not what its elements own
 */
#ifndef CLEANROOM_VEC_H
#define CLEANROOM_VEC_H

#include <stdbool.h>
#include <string.h>

#include <cleanroom/mem.h>

#define VEC(type)                                                                                  \
    struct {                                                                                       \
        type *items;                                                                               \
        size_t len;                                                                                \
        size_t cap;                                                                                \
    }

void *vec_grow(void *items, size_t len, size_t *cap, size_t size);

/* Appends one zeroed element and yields its address (valid until the next push). */
#define vec_push(v)                                                                                \
    ((v)->items = vec_grow((v)->items, (v)->len, &(v)->cap, sizeof(*(v)->items)), (v)->len++,      \
     (__typeof__((v)->items))memset(&(v)->items[(v)->len - 1], 0, sizeof(*(v)->items)))

#define vec_deinit(v)                                                                              \
    do {                                                                                           \
        free((v)->items);                                                                          \
        (v)->items = NULL;                                                                         \
        (v)->len = (v)->cap = 0;                                                                   \
    } while (0)

/* Owned strings; items is NULL-terminated once anything was added, so it serves as an argv. */
struct strvec {
    char **items;
    size_t len;
    size_t cap;
};

#define STRVEC_INIT      ((struct strvec){0})
#define _cleanup_strvec_ _cleanup_(strvec_deinit)

void strvec_push(struct strvec *v, const char *s);
void strvec_pushf(struct strvec *v, const char *fmt, ...) _printf_(2, 3);
/* Takes ownership of s. */
void strvec_take(struct strvec *v, char *s);
void strvec_append(struct strvec *v, const struct strvec *other);
/* Sets KEY=value in a vector of environment entries, replacing an earlier entry of that key. */
void strvec_setenv(struct strvec *v, const char *key, const char *value);
/* The value of KEY in such a vector, borrowed, or NULL. */
const char *strvec_getenv(const struct strvec *v, const char *key);
bool strvec_contains(const struct strvec *v, const char *s);
/* Joined by sep; release with free(). */
char *strvec_join(const struct strvec *v, const char *sep);
/* Appends the parts of s between any of the bytes in seps; empty parts are dropped. */
void strvec_split(struct strvec *v, const char *s, const char *seps);
void strvec_deinit(struct strvec *v);

#endif

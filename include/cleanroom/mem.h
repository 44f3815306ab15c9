/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that never fails, and cleanup by attribute.
 *
 * The x-functions abort on exhaustion: what is left in the engine then falls to the janitor,
 * exactly as after SIGKILL. Everything they return is released with free().
 */
#ifndef CLEANROOM_MEM_H
#define CLEANROOM_MEM_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn)                 __attribute__((cleanup(fn)))
#define _printf_(f, a)                __attribute__((format(printf, f, a)))
#define _must_check_                  __attribute__((warn_unused_result))
#define _unused_                      __attribute__((unused))
#define ARRAY_SIZE(a)                 (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))

/* Hands a pointer over: yields it and leaves NULL behind, so that its cleanup does nothing. */
#define TAKE_PTR(p)                                                                                \
    __extension__({                                                                                \
        __typeof__(p) _take = (p);                                                                 \
        (p) = NULL;                                                                                \
        _take;                                                                                     \
    })

/* Hands a file descriptor over: yields it and leaves -1 behind. */
#define TAKE_FD(fd)                                                                                \
    __extension__({                                                                                \
        int _take = (fd);                                                                          \
        (fd) = -1;                                                                                 \
        _take;                                                                                     \
    })

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
/* Like reallocarray(3). */
void *xreallocarray(void *p, size_t count, size_t size);
/* NULL in, NULL out. */
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t len);
void *xmemdup(const void *p, size_t len);
char *xasprintf(const char *fmt, ...) _printf_(1, 2);
char *xvasprintf(const char *fmt, va_list ap) _printf_(1, 0);

/* Frees *slot and stores a copy of s (NULL allowed) in it. */
void replace_str(char **slot, const char *s);

static inline void cleanup_freep(void *p)
{
    free(*(void **)p);
}

static inline void cleanup_closep(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void cleanup_fclosep(FILE **f)
{
    if (*f)
        fclose(*f);
}

#define _cleanup_free_   _cleanup_(cleanup_freep)
#define _cleanup_close_  _cleanup_(cleanup_closep)
#define _cleanup_fclose_ _cleanup_(cleanup_fclosep)

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable byte string, always NUL-terminated (it may contain NULs of its own; len counts).
 *
 * Invariants: buf is never NULL after strbuf_init(); buf[len] == 0. A buffer that a peer feeds is
 * born with a maximum: an addition that would pass it adds nothing, sets `overflow`, and returns
 * -1.
 */
#ifndef CLEANROOM_STRBUF_H
#define CLEANROOM_STRBUF_H

#include <stdbool.h>

#include <cleanroom/mem.h>

struct strbuf {
    char *buf;
    size_t len;
    size_t cap;
    size_t max; /* bytes; 0 = no limit */
    bool overflow;
};

#define STRBUF_INIT      ((struct strbuf){.buf = strbuf_empty})
#define _cleanup_strbuf_ _cleanup_(strbuf_deinit)

extern char strbuf_empty[1];

void strbuf_init(struct strbuf *sb, size_t max);
/* Idempotent; the buffer may be used again afterwards. */
void strbuf_deinit(struct strbuf *sb);
int strbuf_add(struct strbuf *sb, const void *data, size_t len);
int strbuf_adds(struct strbuf *sb, const char *s);
int strbuf_addc(struct strbuf *sb, char c);
int strbuf_addf(struct strbuf *sb, const char *fmt, ...) _printf_(2, 3);
/* Appends, and of all that is there keeps the last `keep` bytes alone. */
void strbuf_add_tail(struct strbuf *sb, const void *data, size_t len, size_t keep);
/* Empties, keeping the memory. */
void strbuf_reset(struct strbuf *sb);
/* Removes len bytes from the front. */
void strbuf_consume(struct strbuf *sb, size_t len);
void strbuf_truncate(struct strbuf *sb, size_t len);
/* Hands the string over (release with free()) and leaves an empty buffer. */
char *strbuf_detach(struct strbuf *sb);

/* Appends what is left of a file, which may be at most max bytes. Returns 0, or -1 with errno
   (EFBIG: longer than max, or than the buffer's own maximum). */
int strbuf_read_fd(struct strbuf *sb, int fd, size_t max);
/* Reads a whole file of at most max bytes. Returns 0, or -1 with errno (EFBIG: longer than max). */
int strbuf_read_file(struct strbuf *sb, const char *path, size_t max);

#endif

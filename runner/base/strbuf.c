/* SPDX-License-Identifier: Apache-2.0 */
#include <cleanroom/strbuf.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>

char strbuf_empty[1];

void strbuf_init(struct strbuf *sb, size_t max)
{
    *sb = STRBUF_INIT;
    sb->max = max;
}

void strbuf_deinit(struct strbuf *sb)
{
    if (sb->cap)
        free(sb->buf);
    strbuf_init(sb, sb->max);
}

static int reserve(struct strbuf *sb, size_t extra)
{
    if (sb->max && (extra > sb->max || sb->len > sb->max - extra)) {
        sb->overflow = true;
        return -1;
    }

    size_t need = sb->len + extra + 1;
    if (need <= sb->cap)
        return 0;
    size_t cap = sb->cap ? sb->cap : 64;
    while (cap < need)
        cap *= 2;
    sb->buf = xreallocarray(sb->cap ? sb->buf : NULL, cap, 1);
    sb->cap = cap;
    return 0;
}

int strbuf_add(struct strbuf *sb, const void *data, size_t len)
{
    if (len == 0)
        return 0;
    if (reserve(sb, len) < 0)
        return -1;
    memcpy(sb->buf + sb->len, data, len);
    sb->len += len;
    sb->buf[sb->len] = '\0';
    return 0;
}

int strbuf_adds(struct strbuf *sb, const char *s)
{
    return strbuf_add(sb, s, strlen(s));
}

int strbuf_addc(struct strbuf *sb, char c)
{
    return strbuf_add(sb, &c, 1);
}

int strbuf_addf(struct strbuf *sb, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *s = xvasprintf(fmt, ap);
    va_end(ap);
    return strbuf_adds(sb, s);
}

void strbuf_truncate(struct strbuf *sb, size_t len)
{
    if (len >= sb->len)
        return;
    sb->len = len;
    sb->buf[len] = '\0';
}

void strbuf_reset(struct strbuf *sb)
{
    strbuf_truncate(sb, 0);
    sb->overflow = false;
}

void strbuf_consume(struct strbuf *sb, size_t len)
{
    if (len == 0)
        return;
    memmove(sb->buf, sb->buf + len, sb->len - len);
    strbuf_truncate(sb, sb->len - len);
}

void strbuf_add_tail(struct strbuf *sb, const void *data, size_t len, size_t keep)
{
    size_t skip = len > keep ? len - keep : 0;
    size_t room = keep - (len - skip);
    strbuf_consume(sb, sb->len > room ? sb->len - room : 0);
    strbuf_add(sb, (const char *)data + skip, len - skip);
}

char *strbuf_detach(struct strbuf *sb)
{
    char *s = sb->cap ? sb->buf : xstrdup("");
    strbuf_init(sb, sb->max);
    return s;
}

int strbuf_read_fd(struct strbuf *sb, int fd, size_t max)
{
    size_t total = 0;
    for (;;) {
        char chunk[16384];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return (int)n;
        total += (size_t)n;
        if (total > max || strbuf_add(sb, chunk, (size_t)n) < 0) {
            errno = EFBIG;
            return -1;
        }
    }
}

int strbuf_read_file(struct strbuf *sb, const char *path, size_t max)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -1 : strbuf_read_fd(sb, fd, max);
}

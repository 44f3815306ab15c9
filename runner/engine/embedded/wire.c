/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/wire.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/file.h"

/* What surely fits a socket's default buffer. */
#define PACKET_MAX 65536
/* The first byte of a packet: whether it is the message, or the message is in its last descriptor.
 */
enum { IN_PACKET, IN_FILE };

void wire_init(struct wire *w)
{
    *w = (struct wire){0};
    strbuf_init(&w->text, WIRE_MAX);
}

void wire_deinit(struct wire *w)
{
    strbuf_deinit(&w->text);
    for (size_t i = 0; i < w->fd_count; i++)
        if (w->fds[i] >= 0)
            close(w->fds[i]);
    w->fd_count = 0;
}

static void bytes(struct wire *w, void *value, size_t len)
{
    if (!w->reading) {
        w->bad |= strbuf_add(&w->text, value, len) < 0;
    } else if (w->bad || w->text.len - w->at < len) {
        w->bad = true;
        memset(value, 0, len);
    } else {
        memcpy(value, w->text.buf + w->at, len);
        w->at += len;
    }
}

void wire_u32(struct wire *w, uint32_t *value)
{
    bytes(w, value, sizeof(*value));
}

void wire_u64(struct wire *w, uint64_t *value)
{
    bytes(w, value, sizeof(*value));
}

void wire_int(struct wire *w, int *value)
{
    bytes(w, value, sizeof(*value));
}

void wire_bool(struct wire *w, bool *value)
{
    uint32_t word = *value;
    wire_u32(w, &word);
    *value = word != 0;
}

void wire_count(struct wire *w, size_t *count)
{
    uint32_t word = (uint32_t)*count;
    wire_u32(w, &word);
    if (w->reading && word > w->text.len - w->at)
        w->bad = true;
    *count = w->bad ? 0 : word;
}

/* Its length + 1, and its bytes; 0 for NULL. */
void wire_str(struct wire *w, char **value)
{
    if (!w->reading) {
        uint32_t len = *value ? (uint32_t)strlen(*value) + 1 : 0;
        wire_u32(w, &len);
        if (len)
            bytes(w, *value, len - 1);
        return;
    }
    uint32_t len = 0;
    wire_u32(w, &len);
    *value = NULL;
    if (len == 0 || w->bad || len - 1 > w->text.len - w->at) {
        w->bad |= len != 0;
        return;
    }
    *value = xstrndup(w->text.buf + w->at, len - 1);
    w->at += len - 1;
}

void wire_strvec(struct wire *w, struct strvec *value)
{
    size_t count = value->len;
    wire_count(w, &count);
    for (size_t i = 0; i < count; i++) {
        char *item = w->reading ? NULL : value->items[i];
        wire_str(w, &item);
        if (w->reading)
            strvec_take(value, item ? item : xstrdup(""));
    }
}

void wire_add_fd(struct wire *w, int fd)
{
    if (w->fd_count < WIRE_FDS)
        w->fds[w->fd_count++] = fd;
}

int wire_take_fd(struct wire *w)
{
    for (size_t i = 0; i < w->fd_count; i++)
        if (w->fds[i] >= 0)
            return TAKE_FD(w->fds[i]);
    w->bad = true;
    return -1;
}

union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int) * (WIRE_FDS + 1))];
};

static void put_fds(struct msghdr *msg, union control *control, const int *fds, size_t count)
{
    if (count == 0)
        return;
    msg->msg_control = control;
    msg->msg_controllen = CMSG_SPACE(sizeof(int) * count);
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
}

int wire_send(int socket, const struct wire *w)
{
    unsigned char where = w->text.len < PACKET_MAX ? IN_PACKET : IN_FILE;
    int fds[WIRE_FDS + 1];
    size_t count = w->fd_count;
    memcpy(fds, w->fds, sizeof(w->fds));
    _cleanup_close_ int file = where == IN_FILE ? file_in_memory(w->text.buf, w->text.len) : -1;
    if (where == IN_FILE)
        fds[count++] = file;
    if (w->bad || (where == IN_FILE && file < 0)) {
        errno = EMSGSIZE;
        return -1;
    }

    union control control = {0};
    struct iovec iov[] = {{&where, 1}, {w->text.buf, where == IN_FILE ? 0 : w->text.len}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    put_fds(&msg, &control, fds, count);
    for (;;) {
        if (sendmsg(socket, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return 1;
        if (errno != EINTR)
            return errno == EAGAIN || errno == ENOBUFS ? 0 : -1;
    }
}

static void get_fds(struct wire *w, struct msghdr *msg, int *file)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (w->fd_count < WIRE_FDS)
                w->fds[w->fd_count++] = fd;
            else
                *file = fd;
        }
    }
}

/* The message itself came as the last descriptor. */
static void read_file(struct wire *w, int file)
{
    struct stat st;
    if (file < 0 || fstat(file, &st) < 0 || st.st_size > (off_t)WIRE_MAX) {
        w->bad = true;
        return;
    }
    size_t len = (size_t)st.st_size;
    void *text = mmap(NULL, len, PROT_READ, MAP_PRIVATE, file, 0);
    w->bad = text == MAP_FAILED || strbuf_add(&w->text, text, len) < 0;
    if (text != MAP_FAILED)
        (void)munmap(text, len);
}

int wire_receive(int socket, struct wire *w)
{
    unsigned char where = IN_PACKET;
    char packet[PACKET_MAX];
    union control control = {0};
    struct iovec iov[] = {{&where, 1}, {packet, sizeof(packet)}};
    struct msghdr msg = {.msg_iov = iov,
                         .msg_iovlen = 2,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    ssize_t n;
    do
        n = recvmsg(socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : -1;
    if (n == 0) {
        errno = ECONNRESET;
        return -1;
    }

    w->reading = true;
    w->truncated = (msg.msg_flags & MSG_CTRUNC) != 0;
    _cleanup_close_ int file = -1;
    get_fds(w, &msg, &file);
    if (where == IN_PACKET) {
        w->bad = strbuf_add(&w->text, packet, (size_t)n - 1) < 0;
        return 1;
    }
    /* When some are missing, it is the last, and what would be taken for it something else. */
    if (file < 0 && w->fd_count && !w->truncated)
        file = w->fds[--w->fd_count];
    read_file(w, file);
    return 1;
}

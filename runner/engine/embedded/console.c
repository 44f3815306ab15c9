/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's terminal: the runtime makes it inside, so that the container knows it by a name of
 * its own, and sends its other end over a socket that it is told the path of.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "engine/embedded/keep.h"
#include "engine/embedded/passing.h"

char *console_path(const struct keeper *k, const struct cell *c)
{
    return keeper_path(k->dir, "c", c->id, "console");
}

int console_listen(struct keeper *k, struct cell *c, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _cleanup_free_ char *path = console_path(k, c);
    size_t len = strlen(path);
    if (len >= sizeof(address.sun_path))
        return error_set(err, ERROR_ENGINE, "'%s' is too long for a socket's path", path);
    memcpy(address.sun_path, path, len);
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, 1) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "no socket for its terminal");
    c->console = TAKE_FD(fd);
    return 0;
}

/* What does not come, main misses when the start is answered. */
void console_forward(struct cell *c)
{
    _cleanup_close_ int runtime = accept4(c->console, NULL, NULL, SOCK_CLOEXEC);
    _cleanup_close_ int terminal = runtime < 0 ? -1 : passing_receive(runtime);
    if (terminal >= 0)
        (void)passing_send(c->in, terminal);
}

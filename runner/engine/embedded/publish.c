/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/publish.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include "engine/embedded/own.h"

/* As many as the kernel allows (net.core.somaxconn). */
#define BACKLOG 4096

static int open_one(const struct publish *p, struct error *err)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(p->port)};
    int type = p->udp ? SOCK_DGRAM : SOCK_STREAM, yes = 1;
    _cleanup_close_ int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (inet_pton(AF_INET, p->address, &at.sin_addr) != 1)
        return error_set(err, ERROR_INTERNAL, "'%s' is no IPv4 address", p->address);
    /* A client's last connection may still be on its way out. */
    if (fd >= 0 && !p->udp)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 &&
        (p->udp || listen(fd, BACKLOG) == 0))
        return TAKE_FD(fd);
    if (errno == EADDRINUSE)
        return error_set(err, ERROR_CONFIG,
                         "port %u of %s is taken: something on this machine listens on it; stop "
                         "that, or choose another port",
                         p->port, p->address);
    if (errno == EACCES && p->port < 1024)
        return error_set(err, ERROR_CONFIG,
                         "port %u of %s is not yours to open, for it is below 1024; choose another "
                         "one, as in --SERVICE.port %u",
                         p->port, p->address, 1024 + p->port);
    return error_set_errno(err, ERROR_ENGINE, errno, "port %u of %s could not be opened", p->port,
                           p->address);
}

int publish_open(const struct container_spec *spec, struct recipe *recipe, int fds[PUBLISH_MAX],
                 struct error *err)
{
    if (spec->publish_count && (!spec->ours || spec->publish_count > PUBLISH_MAX))
        return error_set(err, ERROR_CONFIG, "embedded: more than %d ports, or not of a pod",
                         PUBLISH_MAX);
    for (size_t i = 0; i < spec->publish_count; i++) {
        const struct publish *p = &spec->publish[i];
        fds[i] = open_one(p, err);
        if (fds[i] < 0) {
            while (i > 0)
                close(fds[--i]);
            return -1;
        }
        strvec_push(&recipe->argv, "--relay");
        strvec_pushf(&recipe->argv, "%zu:%u:%s", OWN_HANDED + i, p->target, p->udp ? "udp" : "tcp");
    }
    recipe->handed = (uint32_t)spec->publish_count;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "run/reach.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* On a loopback a connection is there or refused at once; this is for what swallows packets. */
#define CONNECT_SECONDS 2

static bool is_embedded(const struct engine *engine)
{
    return strcmp(engine->kind, "embedded") == 0;
}

/* A tunnel may end here and lead elsewhere: that shows later. */
static bool may_be_here(const char *where)
{
    static const char *const hosts[] = {"127.", "localhost:", "[::1]:"};
    const char *host = strstr(where, "://");
    bool here = strncmp(where, "unix://", 7) == 0;
    for (size_t i = 0; host && i < ARRAY_SIZE(hosts); i++)
        here = here || strncmp(host + 3, hosts[i], strlen(hosts[i])) == 0;
    return here;
}

int reach_refuse(const struct engine *engine, struct error *err)
{
    if (is_embedded(engine) || may_be_here(engine->where))
        return 0;
    return error_set(err, ERROR_USAGE,
                     "%s is another machine, whose ports do not lead here: 'serve' and programs of "
                     "this machine need an engine of this machine",
                     engine->where);
}

static int connect_to(const struct publish *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port->port)};
    const struct timeval limit = {.tv_sec = CONNECT_SECONDS};
    _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
        return -1;
    (void)inet_pton(AF_INET, port->address, &at.sin_addr);
    return connect(fd, (const struct sockaddr *)&at, sizeof(at));
}

int reach_try(const struct engine *engine, const struct publish *ports, size_t count,
              struct error *err)
{
    size_t i = 0;
    while (i < count && ports[i].udp)
        i++;
    if (is_embedded(engine) || i == count || connect_to(&ports[i]) == 0)
        return 0;
    return error_set(err, ERROR_ENGINE,
                     "the ports of the engine at %s do not lead here (no connection to %s port %u: "
                     "%s), and 'serve' and programs of this machine need them: a container with "
                     "the engine's socket wants its network too, as in docker run --network host",
                     engine->where, ports[i].address, ports[i].port,
                     strerror(errno == EINPROGRESS ? ETIMEDOUT : errno));
}

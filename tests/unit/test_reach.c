/* SPDX-License-Identifier: Apache-2.0 */
/* Whose ports lead here. */
#include "run/reach.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tap.h"

static struct engine engine_at(const char *kind, const char *where)
{
    return (struct engine){.kind = (char *)kind, .where = (char *)where};
}

static void check_refused(const char *kind, const char *where, bool refused)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct engine engine = engine_at(kind, where);
    check_int(reach_refuse(&engine, &err), refused ? -1 : 0);
    if (refused)
        check_contains(err.message, "is another machine");
}

static void test_other_machines(void)
{
    check_refused("embedded", "/usr/bin/crun", false);
    check_refused("docker", "unix:///var/run/docker.sock", false);
    check_refused("podman", "unix:///run/podman/podman.sock", false);
    check_refused("docker", "tcp://127.0.0.1:2376", false);
    check_refused("docker", "tcp://localhost:2376", false);
    check_refused("docker", "tcp://[::1]:2376", false);
    check_refused("docker", "tcp://localhost.example.org:2376", true);
    check_refused("docker", "tcp://docker:2376", true);
    check_refused("docker", "tcp://192.0.2.1:2376", true);
}

static struct publish listening(int *fd)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check_int(bind(*fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    check_int(listen(*fd, 1), 0);
    (void)getsockname(*fd, (struct sockaddr *)&at, &size);
    return (struct publish){.address = "127.0.0.1", .port = ntohs(at.sin_port)};
}

static void test_ports_are_tried(void)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct engine docker = engine_at("docker", "unix:///x.sock"), own = engine_at("embedded", "x");
    int fd;
    struct publish ports[2] = {{.address = "127.0.0.1", .port = 1, .udp = true}, listening(&fd)};
    check_int(reach_try(&docker, ports, 2, &err), 0);
    close(fd);
    check_int(reach_try(&docker, ports, 1, &err), 0); /* nothing to try */
    check_int(reach_try(&own, ports, 2, &err), 0);    /* listens by itself */
    check_int(reach_try(&docker, ports, 2, &err), -1);
    check_int(err.kind, ERROR_ENGINE);
    check_contains(err.message, "unix:///x.sock do not lead here");
    check_contains(err.message, "Connection refused");
}

int main(void)
{
    return tap_run((struct tap_test[]){TAP(test_other_machines), TAP(test_ports_are_tried), {0}});
}

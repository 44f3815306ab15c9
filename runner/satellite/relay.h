/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A way between network namespaces: what comes to a socket that was handed to us, or to one that we
 * listen on, goes to a port of 127.0.0.1 of our network namespace, or to a unix socket, and back.
 * Non-blocking; the caller polls.
 *
 * Bounded: 500 connections at a time, the next ones wait in the socket's queue; 16 KiB on the way
 * in each direction, whoever sends more waits.
 */
#ifndef SATELLITE_RELAY_H
#define SATELLITE_RELAY_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#include <cleanroom/vec.h>

struct relay_pair;

struct relay {
    int fd;                  /* listens, or takes datagrams; owned */
    int out;                 /* of datagrams: where they go, or -1 */
    uint16_t port;           /* of 127.0.0.1, to which it goes; 0: it goes */
    struct sockaddr_un path; /* there */
    bool udp;
    VEC(struct relay_pair *) pairs;
    size_t polled; /* how many of them are being polled */
};

/* Parses "FROM:TO:tcp" or "FROM:TO:udp" and listens; changes the text. FROM is a descriptor, @ and
   a port to listen on at all addresses, = and a port of 127.0.0.1, or the absolute path of a unix
   socket that is made; TO is a port, or the path of a unix socket. Paths (of tcp alone) have no
   colon. -1 when something is wrong. */
int relay_init(struct relay *r, char *text);
void relay_deinit(struct relay *r);

/* How many sockets are to be polled now, and which; polled has room for them. */
size_t relay_count(const struct relay *r);
void relay_prepare(struct relay *r, struct pollfd *polled);
/* To be called after each poll, with what was prepared. Returns whether anything arrived. */
bool relay_step(struct relay *r, const struct pollfd *polled);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port of the machine's that leads into the pod: what comes to a socket that was handed to us
 * goes to 127.0.0.1 of our network namespace, and back. Non-blocking; the caller polls.
 *
 * Bounded: 500 connections at a time, the next ones wait in the socket's queue; 16 KiB on the way
 * in each direction, whoever sends more waits.
 */
#ifndef SATELLITE_RELAY_H
#define SATELLITE_RELAY_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include <cleanroom/vec.h>

struct relay_pair;

struct relay {
    int fd;        /* listens, or takes datagrams; owned */
    int out;       /* of datagrams: where they go, or -1 */
    uint16_t port; /* in the pod */
    bool udp;
    VEC(struct relay_pair *) pairs;
    size_t polled; /* how many of them are being polled */
};

/* Parses "FROM:PORT:tcp" or "FROM:PORT:udp", where FROM is a descriptor, or @ and a port to listen
   on at all addresses; changes the text. -1 when something is wrong. */
int relay_init(struct relay *r, char *text);
void relay_deinit(struct relay *r);

/* How many sockets are to be polled now, and which; polled has room for them. */
size_t relay_count(const struct relay *r);
void relay_prepare(struct relay *r, struct pollfd *polled);
/* To be called after each poll, with what was prepared. Returns whether anything arrived. */
bool relay_step(struct relay *r, const struct pollfd *polled);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service that the satellite serves itself, on a loopback port: it takes what the app sends and
 * writes it to files. Non-blocking; the caller polls.
 *
 * Bounded in what it keeps (100 MiB and 5,000 messages of mail, 64 MiB of a log) and whom it talks
 * to (200 at a time: the one who has been silent longest makes room for the next).
 */
#ifndef SATELLITE_SINK_H
#define SATELLITE_SINK_H

#include <poll.h>

#include <cleanroom/clock.h>
#include <cleanroom/provider.h>

#include "satellite/smtp.h"

struct sink_client;

struct sink_server {
    const char *name;
    enum sink_kind kind;
    uint16_t port;
    const char *dir;
    int fd;        /* the listener, or the socket of datagrams */
    int file;      /* the log; SINK_SMTP: the directory of messages */
    size_t room;   /* bytes that may still be logged */
    uint32_t lost; /* datagrams */
    struct smtp_store store;
    unsigned number; /* of the last message */
    VEC(struct sink_client *) clients;
    size_t polled; /* how many of them are being polled */
};

/* Parses "NAME:KIND:PORT:DIR"; changes the text, and borrows it. -1 when something is wrong. */
int sink_server_init(struct sink_server *s, char *text);
void sink_server_deinit(struct sink_server *s);

/* Makes its files and listens; it stays where it is from now on. 0, or an errno. */
int sink_server_open(struct sink_server *s);

/* How many sockets are to be polled now, and which; polled has room for them. */
size_t sink_server_count(const struct sink_server *s);
void sink_server_prepare(struct sink_server *s, struct pollfd *polled);
/* When something is to be done without a socket's being ready; NSEC_INFINITY: never. */
nsec_t sink_server_wake(const struct sink_server *s);
/* To be called after each poll, with what was prepared. Returns whether anything arrived. */
bool sink_server_step(struct sink_server *s, const struct pollfd *polled, nsec_t now);

#endif

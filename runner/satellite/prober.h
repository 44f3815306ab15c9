/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One service asked again and again whether it is ready: connect, send the provider's request, let
 * the provider judge the answer. A service that was started from a snapshot is then given its own
 * password in the same way. Non-blocking; the caller polls.
 */
#ifndef SATELLITE_PROBER_H
#define SATELLITE_PROBER_H

#include <cleanroom/clock.h>
#include <cleanroom/provider.h>

enum prober_state {
    PROBER_PAUSED,     /* until `wake` */
    PROBER_CONNECTING, /* until writable, or `wake`: the attempt has taken too long */
    PROBER_SENDING,
    PROBER_READING,
    PROBER_READY,   /* done */
    PROBER_REFUSED, /* done: it will never take its password */
};

struct prober {
    const char *name;
    const struct probe *probe;
    const char *arg;
    uint16_t port;
    enum prober_state state;
    int fd;
    nsec_t wake;  /* the next thing to do by itself; NSEC_INFINITY when ready */
    nsec_t pause; /* before the next attempt */
    struct strbuf request;
    struct strbuf rekey; /* empty: its password is what it is */
    bool rekeying;       /* the first exchange is over */
    size_t sent;
    struct strbuf reply;
    char reason[256]; /* why it is not ready, "" before the first attempt has ended */
    bool changed;     /* reason or state is new: the caller tells, and clears it */
};

/* Parses "NAME:PROVIDER:PORT:ARG"; changes the text, and borrows it. password(NAME): what the
   service is to be given, or NULL. Returns -1 when something is wrong. */
int prober_init(struct prober *p, char *text, const char *(*password)(const char *name),
                nsec_t now);
void prober_deinit(struct prober *p);

/* What poll(2) should watch for on p->fd: 0 when nothing. */
short prober_events(const struct prober *p);
/* To be called after each poll. */
void prober_step(struct prober *p, short revents, nsec_t now);

#endif

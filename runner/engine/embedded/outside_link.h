/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pair of Ethernet devices between a network namespace and this one, by rtnetlink(7): the far
 * end is its eth0 with one address and a route to everywhere, the near end has the gateway's
 * address and a route to that one. Both go with either namespace.
 *
 * IPv4 only; addresses are numbers in the host's byte order.
 */
#ifndef EMBEDDED_OUTSIDE_LINK_H
#define EMBEDDED_OUTSIDE_LINK_H

#include <stdint.h>

#include <cleanroom/error.h>

/* How many of the 32 bits say which block: one has 4096 addresses. */
#define LINK_BLOCK_BITS 20

/* A block of private addresses (RFC 1918, then 6598) that touches no route of this host but the
   default one; which one is tried first, seed says. 0 and *err when there is none. */
uint32_t link_find_block(uint32_t seed, struct error *err);

struct link_pair {
    const char *name;  /* of the near end, at most 15 bytes */
    const char *netns; /* a file that is the far one's namespace */
    int home;          /* descriptor of this one */
    uint32_t address, gateway;
};

/* The caller's process is in `home` before and after, or ends. */
int link_connect(const struct link_pair *pair, struct error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP proxy (RFC 9110, 9112) from which nothing gets out: each request is recorded in a line
 * and answered 502 with a few words for the person who wonders why, CONNECT as well.
 */
#ifndef SATELLITE_PROXY_H
#define SATELLITE_PROXY_H

#include <cleanroom/clock.h>
#include <cleanroom/strbuf.h>

struct proxy {
    struct strbuf head; /* of the request; its body does not count */
    bool answered;      /* it takes no more */
};

void proxy_init(struct proxy *p);
/* When the head is complete, or cannot become one, adds a line to log and the answer to out. */
void proxy_feed(struct proxy *p, const void *bytes, size_t len, nsec_t wall, struct strbuf *log,
                struct strbuf *out);
void proxy_deinit(struct proxy *p);

#endif

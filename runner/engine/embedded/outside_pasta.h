/* SPDX-License-Identifier: Apache-2.0 */
/* One pasta(1) for one network namespace. */
#ifndef EMBEDDED_OUTSIDE_PASTA_H
#define EMBEDDED_OUTSIDE_PASTA_H

#include <stdbool.h>

#include <cleanroom/error.h>

/* Where pasta answers for the host's name server, when it has to (link-local, RFC 3927). */
#define OUTSIDE_PASTA_RESOLVER "169.254.1.53"

struct pasta {
    const char *program;
    const char *netns; /* a file that is the network namespace */
    bool forward_dns;
};

/* See outside_pasta(). */
int pasta_start(const struct pasta *pasta, struct error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which name servers a pod can ask: the host's (resolv.conf(5)), but for those on the host's
 * loopback, which is not the pod's; in their place what systemd-resolved asks itself.
 */
#ifndef EMBEDDED_OUTSIDE_RESOLV_H
#define EMBEDDED_OUTSIDE_RESOLV_H

#include <stdbool.h>

#include <cleanroom/strbuf.h>

/* Whether the host has none that a pod could reach by itself. */
bool resolv_needs_forwarding(void);

/* The text of a pod's resolv.conf; `instead`: the one name server, or NULL for the host's. ipv6:
   whether the pod has it. Release with free(). */
char *resolv_text(const char *instead, bool ipv6);

/* The same from texts: of /etc/resolv.conf, and of systemd-resolved's ("" when there is none). */
char *resolv_make(const char *host, const char *upstream, const char *instead, bool ipv6);

#endif

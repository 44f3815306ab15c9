/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A descriptor alone, over a unix socket.
 */
#ifndef EMBEDDED_PASSING_H
#define EMBEDDED_PASSING_H

/* Without waiting. 0, or -1 with errno. */
int passing_send(int socket, int fd);
/* The first one of the next message, CLOEXEC; without waiting. -1 with errno. */
int passing_receive(int socket);

#endif

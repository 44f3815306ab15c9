/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between two processes of ours that share a SOCK_SEQPACKET socket.
 *
 * One function per message goes through its fields for both ways: wire_str(w, &m->name) appends
 * the string when w writes, and allocates it when w reads. Numbers are in the machine's own order:
 * nobody else reads them. A message that does not fit a packet travels in a memory file.
 */
#ifndef EMBEDDED_WIRE_H
#define EMBEDDED_WIRE_H

#include <stdint.h>

#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

/* A message may be this long (exec(2) takes 2 MiB of arguments and environment), and carry so many
   descriptors. */
#define WIRE_MAX (8u << 20)
#define WIRE_FDS 64

struct wire {
    bool reading;
    bool bad;       /* reading: it is shorter than what was asked of it, or nonsense */
    bool truncated; /* reading: descriptors are missing, for we may not have so many */
    struct strbuf text;
    size_t at; /* reading: how far */
    int fds[WIRE_FDS];
    size_t fd_count;
};

/* For writing. */
void wire_init(struct wire *w);
/* Closes the descriptors that nobody took, too. */
void wire_deinit(struct wire *w);
#define _cleanup_wire_ _cleanup_(wire_deinit)

void wire_u32(struct wire *w, uint32_t *value);
void wire_u64(struct wire *w, uint64_t *value);
void wire_int(struct wire *w, int *value);
void wire_bool(struct wire *w, bool *value);
/* May be NULL. Reading: what was there is overwritten, the new one the caller's. */
void wire_str(struct wire *w, char **value);
void wire_strvec(struct wire *w, struct strvec *value);
/* A number of elements that follow, each of at least one byte: bounded by what is there. */
void wire_count(struct wire *w, size_t *count);
/* Writing: takes the descriptor over. */
void wire_add_fd(struct wire *w, int fd);
/* Reading: the descriptor is the caller's; -1 when there is none (and the message bad). */
int wire_take_fd(struct wire *w);

/* One packet, without waiting: 1 sent, 0 the socket is full, -1 with errno. */
int wire_send(int socket, const struct wire *w);
/* Fills w, empty so far, for reading: 1 a message, 0 none now, -1 with errno; end of file is
   ECONNRESET. */
int wire_receive(int socket, struct wire *w);

#endif

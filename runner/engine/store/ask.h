/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question to a daemon of this machine: GET over a unix socket, in HTTP 1.0 (RFC 1945), where
 * the answer ends with the connection.
 *
 * Every run asks for its images where people build them, and libcurl, which the rest of the
 * conversation is left to, takes longer to load than all the answers together.
 */
#ifndef STORE_ASK_H
#define STORE_ASK_H

#include <cleanroom/loop.h>

struct ask;

/* status 0: there was no answer; body is borrowed. Called once, from the loop; the ask is freed
   before it. */
typedef void (*ask_done_fn)(void *data, int status, const char *body, size_t len);

/* path: of the resource, escaped as a URL. */
struct ask *ask_begin(struct loop *loop, const char *socket, const char *path, nsec_t deadline,
                      ask_done_fn done, void *data);
/* Without calling done. Accepts NULL. */
void ask_cancel(struct ask *ask);

/* The status of an answer, and where its body is; 0 when it is none. */
int ask_parse(const char *answer, size_t len, size_t *body);

#endif

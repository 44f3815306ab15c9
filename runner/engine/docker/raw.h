/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection of its own to the engine, on which bytes go both ways: what HTTP calls an upgrade.
 */
#ifndef DOCKER_RAW_H
#define DOCKER_RAW_H

#include "engine/docker/http.h"

struct raw;
/* Connects, which is waited for (10 s at most), and asks to upgrade. NULL and err. */
struct raw *raw_open(struct http *http, const char *method, const char *path, struct error *err);
/* Accepts NULL. */
void raw_close(struct raw *raw);

/* To be watched: what came must be read until there is no more. */
int raw_fd(const struct raw *raw);
/* As read(2) and write(2): -1 with EAGAIN, or another errno when it broke. */
ssize_t raw_read(struct raw *raw, void *bytes, size_t len);
ssize_t raw_write(struct raw *raw, const void *bytes, size_t len);
/* We write no more. */
void raw_end(struct raw *raw);

/* The head of an answer. 0: not all of it is there yet, else its length; *status -1: it is none.
 *body: the length that it says its body has, 0 when it does not. */
size_t raw_head(const char *bytes, size_t len, int *status, size_t *body);

#endif

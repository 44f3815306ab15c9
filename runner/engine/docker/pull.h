/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an engine tells while it pulls: bytes by layer, added up; and why it failed. Pure.
 */
#ifndef DOCKER_PULL_H
#define DOCKER_PULL_H

#include <jansson.h>
#include <stdint.h>

#include <cleanroom/vec.h>

struct pull_layer {
    char *id;
    uint64_t done;
    uint64_t total;
};

struct pull {
    VEC(struct pull_layer) layers;
    char *error; /* the engine's words, or NULL */
};

void pull_deinit(struct pull *pull);
/* Takes one message in. */
void pull_message(struct pull *pull, const json_t *message);
/* Bytes over all layers so far. */
void pull_bytes(const struct pull *pull, uint64_t *done, uint64_t *total);
/* What to do about such an error: " (...)", or "". */
const char *pull_hint(const char *error);

#endif

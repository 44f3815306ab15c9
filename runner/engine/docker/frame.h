/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes apart the stream in which an engine interleaves a container's stdout and stderr: frames of
 * an 8-byte header (stream, three zeros, big-endian length) and that many bytes.
 *
 * Nothing is kept but the header at hand, so neither a hostile length nor an odd split costs
 * memory.
 */
#ifndef DOCKER_FRAME_H
#define DOCKER_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frame {
    unsigned char header[8];
    size_t have;   /* bytes of the header seen */
    uint32_t left; /* bytes of the payload to come */
    bool broken;
};

/* stream: 1 stdout, 2 stderr. */
typedef void (*frame_fn)(void *data, int stream, const void *bytes, size_t len);

/* Delivers what data completes. Returns -1 when this is no such stream; then and ever after. */
int frame_feed(struct frame *frame, const void *data, size_t len, frame_fn fn, void *fn_data);

/* Whether the stream may end here: between two frames. */
bool frame_at_edge(const struct frame *frame);

#endif

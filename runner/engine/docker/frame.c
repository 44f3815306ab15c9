/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/docker/frame.h"

#include <string.h>

#define MIN(a, b) ((a) < (b) ? (a) : (b))

/* The stream's number on the wire, as the number we deliver; 3 is a complaint of the daemon's. */
static const int stream_of[] = {1, 1, 2, 2};

static int begin(struct frame *frame)
{
    const unsigned char *h = frame->header;
    if (h[0] >= sizeof(stream_of) / sizeof(stream_of[0]) || h[1] || h[2] || h[3])
        return -1;
    frame->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
    if (frame->left == 0)
        frame->have = 0;
    return 0;
}

static size_t take_header(struct frame *frame, const unsigned char *data, size_t len)
{
    size_t n = MIN(sizeof(frame->header) - frame->have, len);
    memcpy(frame->header + frame->have, data, n);
    frame->have += n;
    return n;
}

int frame_feed(struct frame *frame, const void *data, size_t len, frame_fn fn, void *fn_data)
{
    const unsigned char *p = data;
    while (len > 0 && !frame->broken) {
        size_t n;
        if (frame->left > 0) {
            n = MIN(frame->left, len);
            fn(fn_data, stream_of[frame->header[0]], p, n);
            frame->left -= (uint32_t)n;
            if (frame->left == 0)
                frame->have = 0;
        } else {
            n = take_header(frame, p, len);
            if (frame->have == sizeof(frame->header) && begin(frame) < 0)
                frame->broken = true;
        }
        p += n;
        len -= n;
    }
    return frame->broken ? -1 : 0;
}

bool frame_at_edge(const struct frame *frame)
{
    return !frame->broken && frame->have == 0;
}

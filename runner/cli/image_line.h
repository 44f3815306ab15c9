/* SPDX-License-Identifier: Apache-2.0 */
/* How images are shown. */
#ifndef CLEANROOM_IMAGE_LINE_H
#define CLEANROOM_IMAGE_LINE_H

#include <stdbool.h>
#include <stdio.h>

#include <cleanroom/clock.h>

struct image_line {
    const char *name, *id;
    uint64_t size;
    nsec_t used; /* clock_wall() */
    bool in_use;
    const char *remark; /* ", a snapshot", or "" */
};

/* NULL: the heading. width: of the column of names. */
void image_line_print(const struct image_line *line, int width, FILE *out);

#define IMAGE_SHORT_ID 12
/* To be printed with that precision, as `docker images` does. */
const char *image_short_id(const char *id);

/* "43 MB" */
void image_size(char *out, size_t size, uint64_t bytes);

#endif

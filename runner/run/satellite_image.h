/* SPDX-License-Identifier: Apache-2.0 */
/* The satellite's image: a root file system that is one static program. */
#ifndef CLEANROOM_SATELLITE_IMAGE_H
#define CLEANROOM_SATELLITE_IMAGE_H

#include <cleanroom/strbuf.h>

#define SATELLITE_IMAGE_PATH "/satellite"
#define SATELLITE_REPOSITORY "cleanroom-satellite"

/* Appends the image's uncompressed tar archive. */
void satellite_image_tar(struct strbuf *out);
/* "cleanroom-satellite:DIGEST", the same for the same program; release with free(). */
char *satellite_image_name(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DOCKER_BASE64_H
#define DOCKER_BASE64_H

#include <cleanroom/strbuf.h>

/* With the alphabet for URLs ('-' and '_') and padding; release with free(). */
char *base64url_encode(const void *data, size_t len);
/* Either alphabet, padding optional. Returns -1 when text is not base64. */
int base64_decode(const char *text, struct strbuf *out);

#endif

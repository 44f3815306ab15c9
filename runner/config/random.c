/* SPDX-License-Identifier: Apache-2.0 */
#include "config/random.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

#include <cleanroom/strbuf.h>

int random_kernel(void *bytes, size_t len)
{
    return getrandom(bytes, len, 0) == (ssize_t)len ? 0 : -1;
}

char *random_hex(random_fn *random, size_t bytes, struct error *err)
{
    unsigned char raw[RANDOM_BYTES_MAX];
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

    if (random(raw, bytes) < 0) {
        error_set_errno(err, ERROR_INTERNAL, errno, "no random bytes");
        return NULL;
    }
    for (size_t i = 0; i < bytes; i++)
        strbuf_addf(&out, "%02x", raw[i]);
    return strbuf_detach(&out);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/docker/base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *base64url_encode(const void *data, size_t len)
{
    const unsigned char *p = data;
    struct strbuf out = STRBUF_INIT;
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        uint32_t bits = (uint32_t)p[i] << 16;
        bits |= n > 1 ? (uint32_t)p[i + 1] << 8 : 0;
        bits |= n > 2 ? p[i + 2] : 0;
        for (size_t k = 0; k < 4; k++)
            strbuf_addc(&out, k <= n ? alphabet[bits >> (18 - 6 * k) & 63] : '=');
    }
    return strbuf_detach(&out);
}

static int value_of(char c)
{
    if (c == '+')
        return 62;
    if (c == '/')
        return 63;
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

int base64_decode(const char *text, struct strbuf *out)
{
    size_t len = strcspn(text, "=");
    if (strspn(text + len, "=") != strlen(text + len) || len % 4 == 1)
        return -1;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < len; i++) {
        int value = value_of(text[i]);
        if (value < 0)
            return -1;
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            strbuf_addc(out, (char)(bits >> have & 0xff));
        }
    }
    return 0;
}

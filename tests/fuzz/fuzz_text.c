/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sanitiser: whatever goes in, what comes out is made of XML 1.0 characters in valid UTF-8, and
 * cleaning it again changes nothing.
 */
#include "report/text.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_characters(const struct strbuf *s, bool color)
{
    for (size_t i = 0; i < s->len;) {
        unsigned char c = (unsigned char)s->buf[i];
        assert(c >= 0x20 || c == '\t' || c == '\n' || c == '\r' || (color && c == 0x1b));
        size_t length = text_utf8_length(s->buf + i, s->len - i);
        assert(length > 0);
        assert(memcmp(s->buf + i, "\xef\xbf\xbe", length) != 0);
        assert(memcmp(s->buf + i, "\xef\xbf\xbf", length) != 0);
        i += length;
    }
}

static void check_clean(const char *bytes, size_t size, bool color)
{
    struct strbuf once = STRBUF_INIT, twice = STRBUF_INIT;
    text_clean(&once, bytes, size, color);
    check_characters(&once, color);
    text_clean(&twice, once.buf, once.len, color);
    assert(once.len == twice.len && memcmp(once.buf, twice.buf, once.len) == 0);
    if (text_is_plain(bytes, size))
        assert(once.len == size && memcmp(once.buf, bytes, size) == 0);
    strbuf_deinit(&once);
    strbuf_deinit(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_clean((const char *)data, size, false);
    check_clean((const char *)data, size, true);

    _cleanup_free_ char *copy = xmalloc(size + 1);
    memcpy(copy, data, size);
    copy[size] = '\0';
    _cleanup_free_ char *line = text_first_line(copy, 40);
    assert(!line || (strlen(line) <= 40 && !strpbrk(line, "\r\n")));
    _cleanup_free_ char *bounded = text_bounded(copy, 64);
    assert(strlen(bounded) < 64 * 4 + 64);
    return 0;
}

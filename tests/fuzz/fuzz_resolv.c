/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host's resolv.conf: what a pod gets of it has at most three name servers, none of which is on
 * the loopback, and nothing but lines that resolv.conf(5) knows.
 */
#include "engine/embedded/outside_resolv.h"

#include <assert.h>
#include <stdint.h>

#include <cleanroom/vec.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const char *line, size_t *servers)
{
    if (strncmp(line, "nameserver ", 11) == 0) {
        ++*servers;
        assert(strncmp(line + 11, "127.", 4) != 0 && strcmp(line + 11, "::1") != 0);
        assert(line[11 + strspn(line + 11, "0123456789abcdefABCDEF:.")] == '\0');
        return;
    }
    line += strspn(line, " \t");
    assert(*line == '#' || strncmp(line, "search", 6) == 0 || strncmp(line, "domain", 6) == 0 ||
           strncmp(line, "options", 7) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = xstrndup((const char *)data, size);
    _cleanup_free_ char *out = resolv_make(text, "nameserver 192.0.2.1\n", NULL, size % 2);
    struct strvec lines _cleanup_strvec_ = STRVEC_INIT;
    size_t servers = 0;
    strvec_split(&lines, out, "\n");
    for (size_t i = 0; i < lines.len; i++)
        check_line(lines.items[i], &servers);
    assert(servers >= 1 && servers <= 3);
    return 0;
}

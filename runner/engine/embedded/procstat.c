/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/procstat.h"

#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

/* The command in field 2 may contain anything, so fields are counted from the last ')'. */
char *procstat(pid_t pid, unsigned field)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_strvec_ struct strvec fields = STRVEC_INIT;
    _cleanup_free_ char *path = pid ? xasprintf("/proc/%d/stat", (int)pid) : NULL;
    if (strbuf_read_file(&text, path ? path : "/proc/self/stat", 4096) < 0)
        return NULL;
    const char *rest = strrchr(text.buf, ')');
    strvec_split(&fields, rest ? rest + 1 : "", " \n");
    return field - 3 < fields.len ? xstrdup(fields.items[field - 3]) : NULL;
}

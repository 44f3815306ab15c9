/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

/* Fields of /proc/PID/stat, counted from the one behind the command, the second. */
enum { STATE = 3 - 3, START_TIME = 22 - 3 };

/* The command may contain anything, so what is behind it begins at the last ')'. */
char *process_start_time(pid_t pid)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_strvec_ struct strvec fields = STRVEC_INIT;
    _cleanup_free_ char *path = pid ? xasprintf("/proc/%d/stat", (int)pid) : NULL;
    if (strbuf_read_file(&text, path ? path : "/proc/self/stat", 4096) < 0)
        return NULL;
    const char *rest = strrchr(text.buf, ')');
    strvec_split(&fields, rest ? rest + 1 : "", " \n");
    if (fields.len <= START_TIME || strcmp(fields.items[STATE], "Z") == 0)
        return NULL;
    return xstrdup(fields.items[START_TIME]);
}

/* The first one has all ids, from 0 on: "0 0 4294967295". */
bool process_in_user_namespace(void)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_strvec_ struct strvec fields = STRVEC_INIT;
    if (strbuf_read_file(&text, "/proc/self/uid_map", 65536) < 0)
        return false;
    strvec_split(&fields, text.buf, " \n");
    return fields.len != 3 || strcmp(fields.items[2], "4294967295") != 0;
}

/* A relative entry is somebody's current directory: nothing is run from there. */
static char *look(const char *path, const char *name)
{
    _cleanup_strvec_ struct strvec dirs = STRVEC_INIT;
    strvec_split(&dirs, path ? path : "", ":");
    for (size_t i = 0; i < dirs.len; i++) {
        _cleanup_free_ char *file = xasprintf("%s/%s", dirs.items[i], name);
        if (*file == '/' && access(file, X_OK) == 0)
            return TAKE_PTR(file);
    }
    return NULL;
}

char *process_find_program(const char *name)
{
    return look(getenv("PATH"), name);
}

char *process_find_tool(const char *name)
{
    char *path = process_find_program(name);
    return path ? path : look("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", name);
}

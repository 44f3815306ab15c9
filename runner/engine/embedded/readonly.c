/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/readonly.h"

#include <sched.h>
#include <sys/mount.h>

#include <cleanroom/strbuf.h>

#define FILE_MAX (4U << 20)

/* "ID PARENT MAJOR:MINOR ROOT TARGET OPTIONS [TAG...] - TYPE SOURCE OPTIONS" */
enum { FIELD_TARGET = 4 };

void readonly_parse(char *mountinfo, struct strvec *mounts)
{
    for (char *line; (line = strsep(&mountinfo, "\n"));) {
        char *target = NULL, *type = strstr(line, " - ");
        if (!type || strncmp(type + 3, "cgroup", 6) != 0)
            continue;
        for (int i = 0; i <= FIELD_TARGET; i++)
            target = strsep(&line, " ");
        if (target)
            strvec_push(mounts, target);
    }
}

void readonly_find(struct strvec *mounts)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    if (strbuf_read_file(&text, "/proc/self/mountinfo", FILE_MAX) == 0)
        readonly_parse(text.buf, mounts);
}

void readonly_enter(const struct strvec *mounts)
{
    if (mounts->len == 0 || unshare(CLONE_NEWNS) < 0)
        return;
    for (size_t i = 0; i < mounts->len; i++)
        (void)mount(NULL, mounts->items[i], NULL,
                    MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The initial arguments and environment lie at the end of the stack. A fork has its own copy of
 * them, which may be overwritten.
 */
#include "engine/embedded/disguise.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>

#include <cleanroom/mem.h>

#include "engine/embedded/procstat.h"

static char *address(unsigned field)
{
    _cleanup_free_ char *text = procstat(0, field);
    return text ? (char *)(uintptr_t)strtoull(text, NULL, 10) : NULL; /* NOLINT */
}

static void blank(char *from, const char *to, const char *text)
{
    if (!from || to <= from)
        return;
    size_t size = (size_t)(to - from);
    memset(from, 0, size);
    (void)snprintf(from, size, "%s", text);
}

void disguise(const char *run)
{
    _cleanup_free_ char *title = xasprintf("cleanroom: keeper %s", run);
    (void)clearenv();
    (void)setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
    blank(address(PROCSTAT_ARG_START), address(PROCSTAT_ARG_END), title);
    blank(address(PROCSTAT_ENV_START), address(PROCSTAT_ENV_END), "");
    (void)prctl(PR_SET_NAME, "cleanroom-keep");
}

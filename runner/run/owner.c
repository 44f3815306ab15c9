/* SPDX-License-Identifier: Apache-2.0 */
#include "run/owner.h"

#include <errno.h>
#include <sys/stat.h>

#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

#include "base/process.h"

#define OWNER_PARTS 5 /* and perhaps a container */

static char *first_line(const char *path)
{
    struct strbuf sb = STRBUF_INIT;
    if (strbuf_read_file(&sb, path, 256) < 0)
        strbuf_reset(&sb);
    strbuf_truncate(&sb, strcspn(sb.buf, "\n"));
    return strbuf_detach(&sb);
}

/* Names are given twice, ids to cloned machines too: only both together tell a machine. */
static char *host_name(void)
{
    char name[256] = "";
    (void)gethostname(name, sizeof(name) - 1);
    _cleanup_free_ char *id = first_line("/etc/machine-id");
    return xasprintf("%s:%s", name, id);
}

/* A container often has no id, and its name on every machine. */
static bool is_one_machine(const char *host)
{
    return host[strlen(host) - 1] != ':';
}

static char *boot_id(void)
{
    return first_line("/proc/sys/kernel/random/boot_id");
}

static unsigned long pid_namespace(void)
{
    struct stat st;
    return stat("/proc/self/ns/pid", &st) == 0 ? (unsigned long)st.st_ino : 0;
}

char *owner_of(pid_t pid, const char *container)
{
    _cleanup_free_ char *host = host_name(), *boot = boot_id(), *start = process_start_time(pid);
    return xasprintf("%s/%s/%lu/%d/%s%s%s", host, boot, pid_namespace(), (int)pid,
                     start ? start : "0", container ? "/" : "", container ? container : "");
}

const char *owner_container(const char *owner)
{
    for (int i = 0; owner && i < OWNER_PARTS; i++) {
        owner = strchr(owner, '/');
        owner += owner ? 1 : 0;
    }
    return owner && *owner ? owner : NULL;
}

enum owner_status owner_status(const char *owner)
{
    _cleanup_strvec_ struct strvec part = STRVEC_INIT;
    strvec_split(&part, owner, "/");
    if (part.len != OWNER_PARTS && part.len != OWNER_PARTS + 1)
        return OWNER_UNKNOWN;

    _cleanup_free_ char *host = host_name(), *boot = boot_id();
    if (strcmp(part.items[0], host) != 0)
        return OWNER_UNKNOWN;
    if (strcmp(part.items[1], boot) != 0)
        return is_one_machine(host) ? OWNER_GONE : OWNER_UNKNOWN;

    _cleanup_free_ char *ns = xasprintf("%lu", pid_namespace());
    if (strcmp(part.items[2], ns) != 0)
        return OWNER_UNKNOWN;
    _cleanup_free_ char *start = process_start_time((pid_t)strtol(part.items[3], NULL, 10));
    return start && strcmp(start, part.items[4]) == 0 ? OWNER_ALIVE : OWNER_GONE;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/embedded/bundle_seccomp.h"

#include <errno.h>

#include "engine/docker/base64.h"
#include "engine/embedded/bundle.h"

int bundle_seccomp_machine(void)
{
#if defined(__x86_64__)
    return SECCOMP_MACHINE_X86;
#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return SECCOMP_MACHINE_ARM;
#else
    return -1;
#endif
}

void *bundle_seccomp(size_t *size)
{
    int machine = bundle_seccomp_machine();
    *size = 0;
    if (machine < 0)
        return NULL;
    struct sock_filter *filter = xcalloc(SECCOMP_MAX, sizeof(*filter));
    *size = seccomp_compile((enum seccomp_machine)machine, filter) * sizeof(*filter);
    return filter;
}

char *bundle_seccomp_text(void)
{
    size_t size;
    _cleanup_free_ void *filter = bundle_seccomp(&size);
    if (!filter)
        return NULL;
    char *text = base64url_encode(filter, size);
    for (char *p = text; *p; p++)
        *p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
    return text;
}

static json_t *rule(const char *name, const char *action)
{
    return json_pack("{s:[s], s:s}", "names", name, "action", action);
}

static void add_comparison(json_t *rules, const char *name, const char *op, uint32_t value)
{
    json_t *out = rule(name, "SCMP_ACT_ALLOW");
    json_object_set_new(out, "args",
                        json_pack("[{s:i, s:I, s:I, s:s}]", "index", 0, "value", (json_int_t)value,
                                  "valueTwo", (json_int_t)0, "op", op));
    json_array_append_new(rules, out);
}

/* A comparison from above is right for what begins at 0; the rest is told one by one, for two
   comparisons of one argument are alternatives, too (github.com/opencontainers/runc/issues/2735).
 */
static void add_ranges(json_t *rules, const char *name, const struct seccomp_range *ranges,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ranges[i].first == 0) {
            add_comparison(rules, name, "SCMP_CMP_LE", ranges[i].last);
            continue;
        }
        for (uint32_t n = ranges[i].last - ranges[i].first + 1; n > 0; n--)
            add_comparison(rules, name, "SCMP_CMP_EQ", ranges[i].last - n + 1);
    }
}

static void add_row(json_t *rules, json_t *allowed, const struct seccomp_row *row)
{
    switch (row->verdict) {
    case SECCOMP_ALLOW:
        json_array_append_new(allowed, json_string(row->name));
        break;
    case SECCOMP_NOSYS: {
        json_t *out = rule(row->name, "SCMP_ACT_ERRNO");
        json_object_set_new(out, "errnoRet", json_integer(ENOSYS));
        json_array_append_new(rules, out);
        break;
    }
    case SECCOMP_SOCKET:
        add_ranges(rules, row->name, seccomp_families, seccomp_family_count);
        break;
    case SECCOMP_PERSONALITY:
        add_ranges(rules, row->name, seccomp_personalities, seccomp_personality_count);
        break;
    case SECCOMP_CLONE:
        add_comparison(rules, row->name, "SCMP_CMP_MASKED_EQ", SECCOMP_CLONE_FLAGS);
        break;
    case SECCOMP_DENY:
    case SECCOMP_VERDICTS:
        break;
    }
}

static json_t *architectures(enum seccomp_machine machine)
{
    if (machine == SECCOMP_MACHINE_ARM)
        return json_pack("[ss]", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM");
    return json_pack("[sss]", "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32");
}

json_t *bundle_seccomp_json(enum seccomp_machine machine)
{
    json_t *rules = json_array(), *allowed = json_array();
    for (size_t i = 0; i < seccomp_row_count; i++)
        add_row(rules, allowed, &seccomp_rows[i]);
    json_array_insert_new(rules, 0,
                          json_pack("{s:o, s:s}", "names", allowed, "action", "SCMP_ACT_ALLOW"));
    return json_pack("{s:s, s:i, s:o, s:o}", "defaultAction", "SCMP_ACT_ERRNO", "defaultErrnoRet",
                     EPERM, "architectures", architectures(machine), "syscalls", rules);
}

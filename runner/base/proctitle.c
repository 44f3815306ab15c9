/* SPDX-License-Identifier: Apache-2.0 */
#include "base/proctitle.h"

#include <cleanroom/strbuf.h>

/* Fields 48 to 51 of /proc/self/stat: where the arguments and the environment begin and end. */
struct area {
    char *arg_start, *arg_end, *env_start, *env_end;
};

/* Fields are counted from the last ')', which ends the second. */
static int find_area(struct area *a)
{
    _cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
    if (strbuf_read_file(&sb, "/proc/self/stat", 8192) < 0)
        return -1;
    const char *rest = strrchr(sb.buf, ')');
    _cleanup_strvec_ struct strvec fields = STRVEC_INIT;
    strvec_split(&fields, rest ? rest + 1 : "", " ");
    if (fields.len < 49)
        return -1;
    char **ends[] = {&a->arg_start, &a->arg_end, &a->env_start, &a->env_end};
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
        *ends[i] = (char *)strtoul(fields.items[45 + i], NULL, 10); /* NOLINT */
    return 0;
}

void proctitle_set(const char *title, struct strvec *env)
{
    struct area a;
    environ = env->items;
    if (find_area(&a) < 0 || !a.arg_start || !a.env_start)
        return;
    size_t args = (size_t)(a.arg_end - a.arg_start), vars = (size_t)(a.env_end - a.env_start);
    memset(a.env_start, 0, vars);
    memset(a.arg_start, 0, args);

    /* A title that is longer than the arguments were is read on into the environment, up to its
       first NUL: that is how the kernel serves setproctitle(3). */
    size_t room = a.arg_end == a.env_start ? args + vars : args;
    size_t len = strlen(title);
    if (room)
        memcpy(a.arg_start, title, len < room ? len : room - 1);
}

void proctitle_disguise(const char *title)
{
    static const char *const kept[] = {
        "HOME",          "PATH",           "TMPDIR",        "XDG_RUNTIME_DIR",  "XDG_CACHE_HOME",
        "DOCKER_HOST",   "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY",
        "SSL_CERT_FILE",
    };
    struct strvec env = STRVEC_INIT; /* for good */
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        const char *value = getenv(kept[i]);
        if (value)
            strvec_pushf(&env, "%s=%s", kept[i], value);
    }
    proctitle_set(title, &env);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "config/program.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char *absolute(const char *path)
{
    _cleanup_free_ char *here = *path == '/' ? NULL : getcwd(NULL, 0);

    while (strncmp(path, "./", 2) == 0)
        path += 2;
    /* Not resolved: by its name a program of a virtual environment knows which. */
    return here ? xasprintf("%s/%s", here, path) : xstrdup(path);
}

int program_find(const struct settings *s, char **program, struct error *err)
{
    const char *target = s->image.value;
    struct stat st;
    bool path = strchr(target, '/') != NULL, named = *target == '.' || *target == '/';

    *program = NULL;
    if (s->own.driver == DRIVER_DOCKER || (s->own.driver == DRIVER_AUTO && !path))
        return 0;
    bool there = path && stat(target, &st) == 0;
    if (there && S_ISREG(st.st_mode) && access(target, X_OK) == 0) {
        *program = absolute(target);
        return 0;
    }
    if (s->own.driver == DRIVER_AUTO && !named)
        return 0;
    return error_set(err, ERROR_USAGE,
                     "'%s' is no program that could be run: %s; a program is named by a path, as "
                     "in ./manage.py",
                     target,
                     !path                 ? "its name has no slash"
                     : !there              ? "there is no such file"
                     : S_ISREG(st.st_mode) ? "it is not executable, 'chmod +x' makes it so"
                                           : "it is not a file");
}

char *program_scratch(const char *run_id, int number)
{
    const char *tmp = getenv("TMPDIR");

    tmp = tmp && *tmp == '/' ? tmp : "/tmp";
    return number < 0 ? xasprintf("%s/cleanroom-%s", tmp, run_id)
                      : xasprintf("%s/cleanroom-%s/%d", tmp, run_id, number);
}

void program_set_dirs(struct strvec *env, const char *scratch)
{
    _cleanup_free_ char *storage = xasprintf("%s/storage", scratch);
    _cleanup_free_ char *statics = xasprintf("%s/static", scratch);

    strvec_setenv(env, "CLEANROOM_STORAGE", storage);
    strvec_setenv(env, "CLEANROOM_STATIC", statics);
}

void program_base_env(struct strvec *env, const char *const *from)
{
    static const char *const kept[] = {
        "PATH", "HOME",   "USER", "LOGNAME",     "SHELL",           "LANG",           "LANGUAGE",
        "TZ",   "TMPDIR", "TERM", "VIRTUAL_ENV", "XDG_RUNTIME_DIR", "LD_LIBRARY_PATH"};

    for (; *from; from++) {
        size_t len = strcspn(*from, "=");
        bool keep = strncmp(*from, "LC_", 3) == 0;
        for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
            keep = keep || (strlen(kept[i]) == len && strncmp(*from, kept[i], len) == 0);
        if (keep)
            strvec_push(env, *from);
    }
}

int program_free_port(uint16_t *port, struct error *err)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "there is no free port");
    *port = ntohs(at.sin_port);
    return 0;
}

bool program_may_listen(const char *address, uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || inet_pton(AF_INET, address, &at.sin_addr) != 1)
        return true;
    return bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 || errno != EACCES;
}

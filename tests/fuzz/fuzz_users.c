/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image's /etc/passwd and /etc/group: whatever stands there, USER gives somebody within the
 * range of ids, or one error; a number is that number, and nobody asked for is root.
 *
 * The input is USER, a newline, passwd, a NUL, group.
 */
#include "engine/embedded/bundle.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include <cleanroom/strbuf.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[] = "/dev/shm/cleanroom-fuzz-XXXXXX";
static int root = -1;

static void remove_root(void)
{
    (void)unlinkat(root, "etc/passwd", 0);
    (void)unlinkat(root, "etc/group", 0);
    (void)unlinkat(root, "etc", AT_REMOVEDIR);
    (void)rmdir(path);
}

/* A root file system of this process's own, made once. */
static void make_root(void)
{
    if (root >= 0)
        return;
    if (!mkdtemp(path))
        abort();
    root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || mkdirat(root, "etc", 0755) < 0 || atexit(remove_root) != 0)
        abort();
}

static void write_file(const char *name, const char *text, size_t len)
{
    int fd _cleanup_close_ = openat(root, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, len) != (ssize_t)len)
        abort();
}

static void check_user(const char *user)
{
    struct bundle_user found _cleanup_(bundle_user_deinit);
    _cleanup_error_ struct error err = ERROR_INIT;
    int rc = bundle_find_user(root, user, &found, &err);
    assert((rc < 0) == (err.kind != ERROR_NONE));
    if (rc < 0)
        return;
    assert(found.uid <= INT_MAX && found.gid <= INT_MAX);
    assert(found.home && *found.home);
    for (size_t i = 0; i < found.groups.len; i++)
        assert(found.groups.items[i] <= INT_MAX);
    size_t digits = strspn(user, "0123456789");
    if (user[digits] == '\0' || user[digits] == ':')
        assert(found.uid == strtoul(user, NULL, 10));
    if (strchr(user, ':') && strchr(user, ':')[1])
        assert(found.groups.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = xmemdup(data, size);
    const char *newline = size ? memchr(text, '\n', size) : NULL;
    if (!newline)
        return 0;
    _cleanup_free_ char *user = xstrndup(text, (size_t)(newline - text));
    const char *passwd = newline + 1, *end = text + size;
    const char *split = memchr(passwd, '\0', (size_t)(end - passwd));
    const char *group = split ? split + 1 : end;
    make_root();
    write_file("etc/passwd", passwd, (size_t)((split ? split : end) - passwd));
    write_file("etc/group", group, (size_t)(end - group));
    check_user(user);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "report/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int replacement_begin(struct replacement *r, int dir, const char *name, struct error *err)
{
    *r = (struct replacement){.dir = dir, .name = xstrdup(name)};
    _cleanup_free_ char *temporary = xasprintf(".%s" REPLACEMENT_SUFFIX, name);
    _cleanup_close_ int fd = openat(dir, temporary,
                                    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot write '%s'", name);

    r->temporary = TAKE_PTR(temporary);
    r->file = fdopen(fd, "w");
    if (!r->file)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot write '%s'", name);
    (void)TAKE_FD(fd);
    return 0;
}

/* Once an error is noted, errno may be that of a later call; a full disk says so in both. */
static int finish_file(struct replacement *r, bool durable)
{
    bool good = !ferror(r->file) && fflush(r->file) == 0 &&
                (!durable || fsync(fileno(r->file)) == 0);
    int errnum = errno;
    bool closed = fclose(r->file) == 0;
    r->file = NULL;
    if (!good)
        return errnum ? errnum : EIO;
    return closed ? 0 : errno;
}

int replacement_commit(struct replacement *r, bool durable, struct error *err)
{
    int errnum = finish_file(r, durable);
    if (errnum)
        return error_set_errno(err, ERROR_INTERNAL, errnum, "cannot write '%s'", r->name);
    if (renameat(r->dir, r->temporary, r->dir, r->name) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot replace '%s'", r->name);
    free(r->temporary);
    r->temporary = NULL;
    /* Some file systems cannot do this for a directory; then the rename is as safe as it gets. */
    if (durable)
        (void)fsync(r->dir);
    return 0;
}

void replacement_deinit(struct replacement *r)
{
    if (r->file)
        (void)fclose(r->file);
    if (r->temporary)
        (void)unlinkat(r->dir, r->temporary, 0);
    free(r->temporary);
    free(r->name);
    *r = (struct replacement){.dir = -1};
}

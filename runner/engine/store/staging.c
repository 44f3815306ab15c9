/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cleanroom/log.h>

#include "engine/store/lock.h"
#include "engine/store/tree.h"

/* Somebody who clears rubbish away may come between the making and the lock. */
int staging_begin(struct staging *s, struct store *store, const char *what, mode_t mode,
                  struct error *err)
{
    *s = (struct staging){.store = store, .fd = -1};
    do {
        tmp_name(s->name, what);
        if (mkdirat(store->tmp, s->name, mode) < 0) {
            int why = errno;
            s->name[0] = '\0';
            return error_set_errno(err, ERROR_INTERNAL, why, "cannot write to '%s/tmp'",
                                   store->path);
        }
        s->fd = lock_open(store->tmp, s->name, O_RDONLY | O_DIRECTORY, LOCK_SH);
    } while (s->fd < 0 && errno == ENOENT);
    if (s->fd < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot lock '%s/tmp/%s'", store->path,
                               s->name);
    (void)fchmod(s->fd, mode);
    return 0;
}

int staging_place(struct staging *s, int dir, const char *name)
{
    if (renameat2(s->store->tmp, s->name, dir, name, RENAME_NOREPLACE) < 0)
        return -1;
    s->name[0] = '\0';
    return 0;
}

void staging_deinit(struct staging *s)
{
    if (*s->name && tree_remove(s->store->tmp, s->name) < 0)
        log_debug("store: cannot remove tmp/%s: %s", s->name, strerror(errno));
    if (s->fd >= 0)
        close(s->fd);
}

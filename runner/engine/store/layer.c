/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cleanroom/log.h>

#include "engine/store/lock.h"
#include "engine/store/place.h"
#include "engine/store/tree.h"

int layer_name(const char *diff_id, char out[LAYER_NAME_SIZE])
{
    const char *hex = digest_hex(diff_id);
    if (!hex)
        return -1;
    (void)snprintf(out, LAYER_NAME_SIZE, "%s", hex);
    return 0;
}

void layers_deinit(struct layers *layers)
{
    for (size_t i = 0; i < layers->len; i++) {
        free(layers->items[i].diff_id);
        if (layers->items[i].hold >= 0)
            close(layers->items[i].hold);
    }
    vec_deinit(layers);
}

static int append(struct layers *layers, const char *diff_id, uint64_t size, int hold)
{
    *vec_push(layers) = (struct layer){.diff_id = xstrdup(diff_id), .size = size, .hold = hold};
    return 1;
}

static int hold(struct store *store, const char *name)
{
    return lock_open(store->layers, name, O_RDONLY | O_DIRECTORY, LOCK_SH);
}

int layer_hold(struct store *store, struct layers *layers, const char *diff_id)
{
    char name[LAYER_NAME_SIZE];
    int fd = layer_name(diff_id, name) < 0 ? -1 : hold(store, name);
    return fd < 0 ? 0 : append(layers, diff_id, LAYER_SIZE_UNKNOWN, fd);
}

/* --- filling a new one ------------------------------------------------------------------------ */

struct staging {
    struct store *store;
    char name[TMP_NAME_SIZE]; /* below tmp/; "" once it has found its place */
    int fd;                   /* locked; it stays so through the rename */
};

static void staging_deinit(struct staging *s)
{
    if (*s->name && tree_remove(s->store->tmp, s->name) < 0)
        log_debug("store: cannot remove tmp/%s: %s", s->name, strerror(errno));
    if (s->fd >= 0)
        close(s->fd);
}

/* Somebody who clears rubbish away may come between the making and the lock. */
static int staging_begin(struct staging *s, struct error *err)
{
    do {
        tmp_name(s->name, "layer");
        if (mkdirat(s->store->tmp, s->name, 0755) < 0) {
            int why = errno;
            s->name[0] = '\0';
            return error_set_errno(err, ERROR_INTERNAL, why, "cannot write to '%s/tmp'",
                                   s->store->path);
        }
        s->fd = lock_open(s->store->tmp, s->name, O_RDONLY | O_DIRECTORY, LOCK_SH);
    } while (s->fd < 0 && errno == ENOENT);
    if (s->fd < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot lock '%s/tmp/%s'",
                               s->store->path, s->name);
    (void)fchmod(s->fd, 0755);
    return 0;
}

/* Who gets the lock of that name fills the layer. The file itself is removed by its holder. */
struct turn {
    struct store *store;
    char name[LAYER_NAME_SIZE + 8];
    int fd;
};

static void turn_deinit(struct turn *turn)
{
    if (turn->fd < 0)
        return;
    (void)unlinkat(turn->store->tmp, turn->name, 0);
    close(turn->fd);
}

static int fill_layer(struct store *store, const char *name, layer_fill_fn fill, void *data,
                      uint64_t *size, struct error *err)
{
    _cleanup_(staging_deinit) struct staging s = {.store = store, .fd = -1};
    if (staging_begin(&s, err) < 0 || fill(data, s.fd, size, err) < 0)
        return -1;
    if (renameat2(store->tmp, s.name, store->layers, name, RENAME_NOREPLACE) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot name '%s/layers/%s'",
                               store->path, name);
    s.name[0] = '\0';
    return TAKE_FD(s.fd);
}

int layer_get(struct store *store, struct layers *layers, const char *diff_id, layer_fill_fn fill,
              void *data, struct error *err)
{
    char name[LAYER_NAME_SIZE];
    if (layer_name(diff_id, name) < 0)
        return error_set(err, ERROR_ENGINE, "'%.80s' is no layer's id", diff_id);
    if (layer_hold(store, layers, diff_id))
        return 0;

    _cleanup_(turn_deinit) struct turn turn = {.store = store};
    (void)snprintf(turn.name, sizeof(turn.name), "%s.turn", name);
    turn.fd = lock_open(store->tmp, turn.name, O_RDWR | O_CREAT, LOCK_EX);
    if (turn.fd < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot lock '%s/tmp/%s'", store->path,
                               turn.name);
    if (layer_hold(store, layers, diff_id))
        return 0;
    uint64_t size = LAYER_SIZE_UNKNOWN;
    int fd = fill_layer(store, name, fill, data, &size, err);
    return fd < 0 ? -1 : append(layers, diff_id, size, fd);
}

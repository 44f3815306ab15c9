/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "engine/store/lock.h"
#include "engine/store/place.h"
#include "engine/store/staging.h"

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
    _cleanup_(staging_deinit) struct staging s = STAGING_INIT;
    if (staging_begin(&s, store, "layer", 0755, err) < 0 || fill(data, s.fd, size, err) < 0)
        return -1;
    if (staging_place(&s, store->layers, name) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot name '%s/layers/%s'",
                               store->path, name);
    return TAKE_FD(s.fd);
}

int layer_make_durable(const struct store *store, int dir, struct error *err)
{
    return syncfs(dir) < 0
               ? error_set_errno(err, ERROR_INTERNAL, errno, "cannot write to '%s'", store->path)
               : 0;
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/daemon_images.h"

#include <string.h>

#include "cli/image_line.h"
#include "run/lease.h"

#define REMOVAL_TIME (120 * NSEC_PER_SEC)

static void on_done(void *data)
{
    struct daemon_images *d = data;
    d->stop = true;
}

static int wait_until_done(struct daemon_images *d, struct error *err)
{
    int rc = loop_run(d->loop, &d->stop, err);
    d->stop = false;
    return rc;
}

int daemon_images_open(struct daemon_images *d, const struct engine_options *options,
                       struct error *err)
{
    kept_init(&d->kept, NULL, clock_now() + REMOVAL_TIME, on_done, d);
    d->loop = loop_new(err);
    d->engine = d->loop ? engine_open(d->loop, options, err) : NULL;
    if (!d->engine)
        return -1;
    d->kept.engine = d->engine;
    kept_list(&d->kept);
    if (wait_until_done(d, err) < 0)
        return -1;
    if (!error_is_set(&d->kept.error))
        return 0;
    error_move(err, &d->kept.error);
    return -1;
}

void daemon_images_deinit(struct daemon_images *d)
{
    engine_free(d->engine);
    kept_deinit(&d->kept);
    loop_free(d->loop);
}

/* --- ls -------------------------------------------------------------------------------------- */

static const char *name_of(const struct kept_part *part)
{
    return *part->name ? part->name : "-";
}

static void print_item(const struct kept_item *item, int width, FILE *out)
{
    static const char *const remarks[] = {[KEPT_SNAPSHOT] = ", a snapshot",
                                          [KEPT_DEPLOY] = ", of a deploy",
                                          [KEPT_SATELLITE] = "",
                                          [KEPT_UNNAMED] = ", a snapshot"};
    bool in_use = item->kind != KEPT_UNNAMED && lease_in_use(item->key);
    for (size_t i = 0; i < item->parts.len; i++) {
        const struct kept_part *part = &item->parts.items[i];
        const struct image_line line = {.name = name_of(part),
                                        .id = part->id,
                                        .size = part->size,
                                        .used = item->used,
                                        .in_use = in_use,
                                        .remark = remarks[item->kind]};
        image_line_print(&line, width, out);
    }
}

int daemon_images_list(const struct invocation *inv _unused_, struct daemon_images *d, FILE *out,
                       struct error *err _unused_)
{
    size_t width = sizeof("REFERENCE") - 1;
    for (size_t i = 0; i < d->kept.len; i++)
        for (size_t j = 0; j < d->kept.items[i].parts.len; j++)
            if (strlen(d->kept.items[i].parts.items[j].name) > width)
                width = strlen(d->kept.items[i].parts.items[j].name);
    image_line_print(NULL, (int)width, out);
    for (size_t i = 0; i < d->kept.len; i++)
        print_item(&d->kept.items[i], (int)width, out);
    return 0;
}

/* --- rm, prune ------------------------------------------------------------------------------- */

static void say_removed(void *data, const char *name)
{
    struct daemon_images *d = data;
    fprintf(d->out, "removed %s\n", name);
}

static int remove_marked(struct daemon_images *d, FILE *out, struct error *err)
{
    d->out = out;
    d->kept.said = say_removed;
    kept_remove(&d->kept);
    return wait_until_done(d, err);
}

static bool is_meant(const struct kept_item *item, const char *what)
{
    const char *hex = image_short_id(what);
    size_t len = strlen(hex);
    for (size_t i = 0; i < item->parts.len; i++) {
        const struct kept_part *part = &item->parts.items[i];
        if (strcmp(part->name, what) == 0 ||
            (len >= 4 && strncmp(image_short_id(part->id), hex, len) == 0))
            return true;
    }
    return false;
}

static int mark(struct daemon_images *d, const char *what, struct error *err)
{
    struct kept_item *found = NULL;
    for (size_t i = 0; i < d->kept.len; i++) {
        if (!is_meant(&d->kept.items[i], what))
            continue;
        if (found)
            return error_set(err, ERROR_USAGE, "'%s' is the beginning of more than one image's id",
                             what);
        found = &d->kept.items[i];
    }
    if (!found)
        return error_set(err, ERROR_USAGE,
                         "there is no image '%s' that cleanroom keeps at %s: see 'cleanroom image "
                         "ls'",
                         what, d->engine->where);
    found->going = true;
    return 0;
}

int daemon_images_remove(const struct invocation *inv, struct daemon_images *d, FILE *out,
                         struct error *err)
{
    for (size_t i = 1; i < inv->words.len; i++)
        if (mark(d, inv->words.items[i], err) < 0)
            return -1;
    if (remove_marked(d, out, err) < 0)
        return -1;
    if (d->kept.left.len == 0)
        return 0;
    _cleanup_free_ char *left = strvec_join(&d->kept.left, "; ");
    return error_set(err, ERROR_ENGINE, "not removed: %s", left);
}

/* What is in use stays, which is as it should be. */
int daemon_images_prune(const struct invocation *inv, struct daemon_images *d, FILE *out,
                        struct error *err)
{
    kept_mark_excess(&d->kept, clock_wall());
    for (size_t i = 0; invocation_get(inv, "all") && i < d->kept.len; i++)
        d->kept.items[i].going = true;
    if (remove_marked(d, out, err) < 0)
        return -1;
    for (size_t i = 0; i < d->kept.left.len; i++)
        fprintf(out, "left %s\n", d->kept.left.items[i]);
    fprintf(out, "%zu images removed\n", d->kept.count);
    return 0;
}

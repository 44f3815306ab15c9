/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images by hand: load, ls, rm, prune. Of the embedded engine's store, unless a daemon is named:
 * then what cleanroom keeps there, see daemon_images.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cli/cmds.h"
#include "cli/daemon_images.h"
#include "cli/image_line.h"
#include "config/values.h"
#include "engine/choose.h"
#include "engine/embedded/userns.h"
#include "engine/store/import.h"
#include "engine/store/store.h"

struct image_command {
    const char *name;
    size_t min, max; /* words after it */
    const char *usage;
    int (*run)(const struct invocation *inv, struct store *store, FILE *out, struct error *err);
    int (*on_daemon)(const struct invocation *inv, struct daemon_images *images, FILE *out,
                     struct error *err);
};

static void close_storep(struct store **store)
{
    store_close(*store);
}

/* --- ls -------------------------------------------------------------------------------------- */

static void print_entry(const struct store_entry *entry, const char *name, int width, FILE *out)
{
    const struct image_line line = {.name = name,
                                    .id = entry->id,
                                    .size = entry->size,
                                    .used = entry->used,
                                    .in_use = entry->in_use,
                                    .remark = entry->snapshot ? ", a snapshot" : ""};
    image_line_print(&line, width, out);
}

static int list(const struct invocation *inv _unused_, struct store *store, FILE *out,
                struct error *err)
{
    _cleanup_(store_entries_deinit) struct store_entries entries;
    if (store_list(store, &entries, err) < 0)
        return -1;
    size_t width = sizeof("REFERENCE") - 1;
    for (size_t i = 0; i < entries.len; i++)
        for (size_t j = 0; j < entries.items[i].refs.len; j++)
            if (strlen(entries.items[i].refs.items[j]) > width)
                width = strlen(entries.items[i].refs.items[j]);
    image_line_print(NULL, (int)width, out);
    for (size_t i = 0; i < entries.len; i++) {
        const struct store_entry *entry = &entries.items[i];
        for (size_t j = 0; j < entry->refs.len; j++)
            print_entry(entry, entry->refs.items[j], (int)width, out);
        if (entry->refs.len == 0)
            print_entry(entry, "-", (int)width, out);
    }
    return 0;
}

/* --- load ------------------------------------------------------------------------------------ */

static int open_source(const char *file, struct error *err)
{
    int fd = strcmp(file, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                    : open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, ERROR_USAGE, errno, "cannot open '%s'", file);
    return fd;
}

static int load_one(struct import *import, const char *file, FILE *out, struct error *err)
{
    int fd = open_source(file, err);
    if (fd < 0)
        return -1;
    if (import_archive(import, fd, err) < 0)
        return error_wrap(err, "could not load '%s'", file);
    for (size_t i = 0; i < import->images.len; i++) {
        const struct import_image *image = &import->images.items[i];
        fprintf(out, "loaded %s%s%.*s\n", image->name ? image->name : "", image->name ? " " : "",
                IMAGE_SHORT_ID, image_short_id(image->id));
    }
    return 0;
}

static int load(const struct invocation *inv, struct store *store, FILE *out, struct error *err)
{
    struct import import _cleanup_(import_deinit) = {.store = store,
                                                     .ref = invocation_get(inv, "name")};
    uint64_t freed;
    if (load_one(&import, inv->words.items[1], out, err) < 0)
        return -1;
    return store_prune(store, false, store_limit(store), &freed, err);
}

/* --- rm, prune ------------------------------------------------------------------------------- */

static int remove_images(const struct invocation *inv, struct store *store, FILE *out,
                         struct error *err)
{
    if (userns_enter(err) < 0)
        return -1;
    for (size_t i = 1; i < inv->words.len; i++) {
        const char *what = inv->words.items[i];
        int r = store_remove(store, what, err);
        if (r == 0)
            return error_set(err, ERROR_USAGE, "there is no image '%s': see 'cleanroom image ls'",
                             what);
        if (r < 0)
            return -1;
        fprintf(out, "removed %s\n", what);
    }
    return 0;
}

static int prune(const struct invocation *inv, struct store *store, FILE *out, struct error *err)
{
    uint64_t freed = 0;
    char size[16];
    bool all = invocation_get(inv, "all") != NULL;
    if (userns_enter(err) < 0 || store_prune(store, all, store_limit(store), &freed, err) < 0)
        return -1;
    image_size(size, sizeof(size), freed);
    fprintf(out, "freed %s\n", size);
    return 0;
}

/* --- which ----------------------------------------------------------------------------------- */

static const struct image_command image_commands[] = {
    {"load", 1, 1, "FILE|DIR|-", load, NULL},
    {"ls", 0, 0, "", list, daemon_images_list},
    {"rm", 1, SIZE_MAX, "REFERENCE|ID...", remove_images, daemon_images_remove},
    {"prune", 0, 0, "[--all]", prune, daemon_images_prune},
};

static const struct image_command *find(const struct invocation *inv, struct error *err)
{
    const char *names[ARRAY_SIZE(image_commands)];
    for (size_t i = 0; i < ARRAY_SIZE(image_commands); i++)
        names[i] = image_commands[i].name;
    if (inv->words.len == 0) {
        error_set(err, ERROR_USAGE, "what about images: load, ls, rm or prune?");
        return NULL;
    }
    const char *word = inv->words.items[0];
    for (size_t i = 0; i < ARRAY_SIZE(image_commands); i++)
        if (strcmp(names[i], word) == 0)
            return &image_commands[i];
    const char *nearest = nearest_name(word, names, ARRAY_SIZE(names));
    error_set(err, ERROR_USAGE, "there is no 'cleanroom image %s', did you mean '%s'?", word,
              nearest ? nearest : "ls");
    return NULL;
}

static int run_on_store(const struct invocation *inv, const struct image_command *command,
                        const struct settings *settings, FILE *out, struct error *err)
{
    _cleanup_(close_storep) struct store *store = store_open(NULL, err);
    if (!store)
        return -1;
    store_set_limit(store, settings->own.image_cache);
    return command->run(inv, store, out, err);
}

static int run_on_daemon(const struct invocation *inv, const struct image_command *command,
                         const struct engine_options *options, FILE *out, struct error *err)
{
    _cleanup_(daemon_images_deinit) struct daemon_images images = {0};
    if (!command->on_daemon)
        return error_set(err, ERROR_USAGE,
                         "images are loaded into a daemon by its own command, as 'docker load'");
    return daemon_images_open(&images, options, err) < 0
               ? -1
               : command->on_daemon(inv, &images, out, err);
}

/* Nobody asks here whether the embedded engine can run: its store can be looked at all the same. */
static int run(const struct invocation *inv, const struct image_command *command, FILE *out,
               struct error *err)
{
    _cleanup_(settings_deinit) struct settings settings = {0};
    size_t words = inv->words.len - 1;
    if (words < command->min || words > command->max)
        return error_set(err, ERROR_USAGE, "write it as 'cleanroom image %s%s%s'", command->name,
                         *command->usage ? " " : "", command->usage);
    if (invocation_settings(inv, &settings, err) < 0)
        return -1;
    struct engine_options options = settings_engine(&settings);
    options.network = NETWORK_NONE;
    struct choose_facts facts = {.asked = options.engine};
    _cleanup_free_ char *why = NULL;
    choose_daemon(&facts, &options);
    if (choose(&facts, &options.engine, &why, err) < 0)
        return -1;
    return options.engine == ENGINE_DOCKER ? run_on_daemon(inv, command, &options, out, err)
                                           : run_on_store(inv, command, &settings, out, err);
}

int cmd_image(const struct invocation *inv, FILE *out, struct error *err)
{
    const struct image_command *command = find(inv, err);
    return command && run(inv, command, out, err) == 0 ? 0 : error_exit_code(err->kind);
}

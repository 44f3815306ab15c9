/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image store by hand: load, ls, rm, prune.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cli/cmds.h"
#include "config/values.h"
#include "engine/embedded/userns.h"
#include "engine/store/import.h"
#include "engine/store/store.h"

#define SHORT_ID 12

struct image_command {
    const char *name;
    size_t min, max; /* words after it */
    const char *usage;
    int (*run)(const struct invocation *inv, struct store *store, FILE *out, struct error *err);
};

static void close_storep(struct store **store)
{
    store_close(*store);
}

/* As `docker images` shows it. */
static const char *short_id(const char *id)
{
    return id + sizeof("sha256:") - 1;
}

static void print_size(char *out, size_t size, uint64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 999.5 && unit + 1 < ARRAY_SIZE(units); unit++)
        value /= 1000;
    (void)snprintf(out, size, value < 9.95 && unit > 0 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

/* --- ls -------------------------------------------------------------------------------------- */

static void print_age(char *out, size_t size, const struct store_entry *entry)
{
    static const struct {
        int64_t seconds;
        const char *unit;
    } units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}};
    int64_t age = (clock_wall() - entry->used) / NSEC_PER_SEC;
    (void)snprintf(out, size, "just now");
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        int64_t count = age / units[i].seconds;
        if (count <= 0)
            continue;
        (void)snprintf(out, size, "%lld %s%s ago", (long long)count, units[i].unit,
                       count == 1 ? "" : "s");
        break;
    }
    if (entry->in_use)
        (void)snprintf(out, size, "in use");
}

static void print_entry(const struct store_entry *entry, const char *name, int width, FILE *out)
{
    char size[16], age[32];
    print_size(size, sizeof(size), entry->size);
    print_age(age, sizeof(age), entry);
    fprintf(out, "%-*s  %.*s  %7s  %s%s\n", width, name, SHORT_ID, short_id(entry->id), size, age,
            entry->snapshot ? ", a snapshot" : "");
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
    fprintf(out, "%-*s  %-*s  %7s  %s\n", (int)width, "REFERENCE", SHORT_ID, "ID", "SIZE",
            "LAST USED");
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
                SHORT_ID, short_id(image->id));
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
    print_size(size, sizeof(size), freed);
    fprintf(out, "freed %s\n", size);
    return 0;
}

/* --- which ----------------------------------------------------------------------------------- */

static const struct image_command image_commands[] = {
    {"load", 1, 1, "FILE|DIR|-", load},
    {"ls", 0, 0, "", list},
    {"rm", 1, SIZE_MAX, "REFERENCE|ID...", remove_images},
    {"prune", 0, 0, "[--all]", prune},
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
    _cleanup_(close_storep) struct store *store = store_open(NULL, err);
    if (!store)
        return -1;
    store_set_limit(store, settings.own.image_cache);
    return command->run(inv, store, out, err);
}

int cmd_image(const struct invocation *inv, FILE *out, struct error *err)
{
    const struct image_command *command = find(inv, err);
    return command && run(inv, command, out, err) == 0 ? 0 : error_exit_code(err->kind);
}

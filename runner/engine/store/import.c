/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/import.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <cleanroom/strbuf.h>

#include "engine/docker/json.h"
#include "engine/store/prune.h"

void import_deinit(struct import *import)
{
    free(import->id);
}

void import_progress(const struct import *import, uint64_t done, uint64_t total)
{
    if (import->progress)
        import->progress(import->data, done, total);
}

/* --- the process ----------------------------------------------------------------------------- */

static void say(const char *text)
{
    (void)!write(STDOUT_FILENO, text, strlen(text));
}

static void say_progress(void *data _unused_, uint64_t done, uint64_t total)
{
    char line[64];
    (void)snprintf(line, sizeof(line), "progress %llu %llu\n", (unsigned long long)done,
                   (unsigned long long)total);
    say(line);
}

static int from_daemon(struct import *import, char **argv, struct error *err)
{
    return import_daemon(import, argv[0], argv[1], err);
}

static const struct {
    const char *kind;
    int words; /* after REF */
    int (*run)(struct import *, char **argv, struct error *);
} kinds[] = {
    {"daemon", 2, from_daemon},
};

/* The limit is kept when something has come, by this process, which nobody waits for but the run
   that brought it. */
static int run(struct import *import, size_t kind, char **argv, struct error *err)
{
    uint64_t freed;
    struct store_image image;
    prune_rubbish(import->store);
    if (kinds[kind].run(import, argv, err) < 0)
        return -1;
    if (store_find(import->store, import->id, &image, err) <= 0)
        return error_is_set(err) ? -1 : 0;
    int r = store_prune(import->store, false, store_limit(import->store), &freed, err);
    store_image_release(&image);
    return r;
}

static int bring(char **argv, int argc, struct import *import, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strcmp(kinds[i].kind, argv[5]) == 0 && argc == 7 + kinds[i].words) {
            import->ref = argv[6];
            import->store = store_open(argv[2], err);
            if (import->store)
                store_set_limit(import->store, strtoull(argv[3], NULL, 10));
            int r = import->store ? run(import, i, argv + 7, err) : -1;
            store_close(import->store);
            return r;
        }
    return error_set(err, ERROR_USAGE, "an import is nothing to type");
}

/* Our parent may have died before we could ask to be told. */
static bool is_alone(const char *parent)
{
    long pid = strtol(parent, NULL, 10);
    return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != (pid_t)pid;
}

int import_main(int argc, char **argv)
{
    if (argc < 7 || is_alone(argv[4]))
        return 2;
    (void)umask(022);
    struct import import = {.progress = say_progress};
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_free_ char *line = NULL;
    if (bring(argv, argc, &import, &err) < 0) {
        line = xasprintf("error %d %s\n", (int)err.kind, json_one_line(err.message));
    } else {
        line = xasprintf("id %s\n", import.id);
    }
    say(line);
    import_deinit(&import);
    return error_is_set(&err) ? 3 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/import.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <cleanroom/strbuf.h>

#include "engine/docker/json.h"
#include "engine/embedded/userns.h"
#include "engine/store/registry.h"

#define PROGRESS_PAUSE (50 * NSEC_PER_MSEC)

void import_deinit(struct import *import)
{
    free(import->id);
    for (size_t i = 0; i < import->images.len; i++) {
        free(import->images.items[i].id);
        free(import->images.items[i].name);
    }
    vec_deinit(&import->images);
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

/* data: when it was said last. */
static void say_progress(void *data, uint64_t done, uint64_t total)
{
    char line[64];
    nsec_t *last = data, now = clock_now();
    if (now - *last < PROGRESS_PAUSE)
        return;
    *last = now;
    (void)snprintf(line, sizeof(line), "progress %llu %llu\n", (unsigned long long)done,
                   (unsigned long long)total);
    say(line);
}

static int from_daemon(struct import *import, char **argv, struct error *err)
{
    return import_daemon(import, argv[0], argv[1], err);
}

static int from_registry(struct import *import, char **argv _unused_, struct error *err)
{
    return import_registry(import, err);
}

static const struct {
    const char *kind;
    int words; /* after REF */
    int (*run)(struct import *, char **argv, struct error *);
} kinds[] = {
    {"daemon", 2, from_daemon},
    {"registry", 0, from_registry},
};

static int find_kind(const struct strvec *words)
{
    for (size_t i = 0; words->len >= 2 && i < ARRAY_SIZE(kinds); i++)
        if (strcmp(kinds[i].kind, words->items[0]) == 0 && words->len == 2 + (size_t)kinds[i].words)
            return (int)i;
    return -1;
}

/* The limit is kept when something has come: by this process, which nobody waits for but the run
   that brought it. */
static int keep_limit(struct import *import, struct error *err)
{
    uint64_t freed;
    struct store_image image;
    if (userns_enter(err) < 0)
        return -1;
    if (store_find(import->store, import->id, &image, err) <= 0)
        return error_is_set(err) ? -1 : 0;
    int r = store_prune(import->store, false, store_limit(import->store), &freed, err);
    store_image_release(&image);
    return r;
}

static int bring(const struct import_job *job, struct import *import, struct error *err)
{
    int kind = find_kind(&job->words);
    if (kind < 0)
        return error_set(err, ERROR_INTERNAL, "there is no such import");
    import->store = store_open(job->store, err);
    if (!import->store)
        return -1;
    store_set_limit(import->store, job->limit);
    import->ref = job->words.items[1];
    if (kinds[kind].run(import, job->words.items + 2, err) < 0)
        return -1;
    return keep_limit(import, err);
}

/* What was open by inheritance, a run's sockets above all, must not live longer because of us. A
   terminal's interrupt is for the parent, who ends us as it sees fit. */
static void let_go(int output)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t none;
    sigemptyset(&none);
    (void)dup2(null, STDIN_FILENO);
    (void)dup2(output, STDOUT_FILENO);
    (void)dup2(null, STDERR_FILENO);
    (void)close_range(3, ~0U, 0);
    (void)setpgid(0, 0);
    (void)signal(SIGTERM, SIG_DFL);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

_Noreturn void import_process(const struct import_job *job, pid_t parent, int output)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        _exit(2); /* it died before we could ask to be told */
    let_go(output);
    (void)umask(022);
    nsec_t last = 0;
    struct import import = {.progress = say_progress, .data = &last};
    struct error err = ERROR_INIT;
    bool good = bring(job, &import, &err) == 0;
    char *line = good ? xasprintf("id %s\n", import.id)
                      : xasprintf("error %d %s\n", (int)err.kind, json_one_line(err.message));
    say(line);
    _exit(good ? 0 : 3);
}

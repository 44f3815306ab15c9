/* SPDX-License-Identifier: Apache-2.0 */
#include "run/dwelling.h"

#include <string.h>

#include <cleanroom/strbuf.h>

#include "run/owner.h"

#define MOUNTINFO_MAX (1 << 20)
#define ASK_TIME      (10 * NSEC_PER_SEC)
#define ID_DIGITS     64

/* Fields of mountinfo, see proc(5). */
enum { ROOT = 3, POINT };

/* Engines keep these files of a container in a directory of its name, with or without a network. */
static bool is_engines_file(const char *point)
{
    static const char *const files[] = {"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        if (strcmp(point, files[i]) == 0)
            return true;
    return false;
}

static char *id_in_path(const char *path)
{
    _cleanup_strvec_ struct strvec names = STRVEC_INIT;
    strvec_split(&names, path, "/");
    for (size_t i = 0; i < names.len; i++)
        if (strlen(names.items[i]) == ID_DIGITS &&
            strspn(names.items[i], "0123456789abcdef") == ID_DIGITS)
            return xstrdup(names.items[i]);
    return NULL;
}

char *dwelling_in(const char *mountinfo)
{
    _cleanup_strvec_ struct strvec lines = STRVEC_INIT;
    strvec_split(&lines, mountinfo, "\n");
    for (size_t i = 0; i < lines.len; i++) {
        _cleanup_strvec_ struct strvec fields = STRVEC_INIT;
        strvec_split(&fields, lines.items[i], " ");
        char *id = fields.len > POINT && is_engines_file(fields.items[POINT])
                       ? id_in_path(fields.items[ROOT])
                       : NULL;
        if (id)
            return id;
    }
    return NULL;
}

/* --- our own --------------------------------------------------------------------------------- */

struct question {
    bool stop, runs;
};

static void on_own(void *data, enum engine_outcome outcome, const struct container_state *state,
                   const struct error *err)
{
    struct question *q = data;
    (void)err;
    q->stop = true;
    q->runs = outcome == ENGINE_OK && state->running;
}

static char *here(void)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    int rc = strbuf_read_file(&text, "/proc/self/mountinfo", MOUNTINFO_MAX);
    return rc < 0 ? NULL : dwelling_in(text.buf);
}

bool dwelling_is_container(void)
{
    _cleanup_free_ char *id = here();
    return id != NULL;
}

char *dwelling_find(struct engine *engine)
{
    _cleanup_free_ char *id = here();
    struct question q = {0};
    if (!id)
        return NULL;
    engine->ops->container_inspect(engine, id, clock_now() + ASK_TIME, on_own, &q);
    return loop_run(engine->loop, &q.stop, NULL) == 0 && q.runs ? TAKE_PTR(id) : NULL;
}

/* --- those of others ------------------------------------------------------------------------- */

static void ask_next(struct dwellings *d);

static void on_state(void *data, enum engine_outcome outcome, const struct container_state *state,
                     const struct error *err)
{
    struct dwellings *d = data;
    (void)err;
    d->items.items[d->asked++].gone = outcome == ENGINE_NOT_FOUND ||
                                      (outcome == ENGINE_OK && !state->running);
    ask_next(d);
}

static void ask_next(struct dwellings *d)
{
    if (d->asked == d->items.len)
        d->done(d->data);
    else
        d->engine->ops->container_inspect(d->engine, d->items.items[d->asked].id, d->deadline,
                                          on_state, d);
}

static void on_list(void *data, enum engine_outcome outcome, const struct object_info *objects,
                    size_t count, const struct error *err)
{
    struct dwellings *d = data;
    (void)err;
    for (size_t i = 0; outcome == ENGINE_OK && i < count; i++) {
        const char *id = owner_container(objects[i].owner);
        if (id && !dwellings_get(d, id))
            *vec_push(&d->items) = (struct dwelling){.id = xstrdup(id)};
    }
    ask_next(d);
}

void dwellings_ask(struct dwellings *d, struct engine *engine, nsec_t deadline,
                   void (*done)(void *data), void *data)
{
    *d = (struct dwellings){.engine = engine, .deadline = deadline, .done = done, .data = data};
    engine->ops->list(engine, NULL, deadline, on_list, d);
}

void dwellings_deinit(struct dwellings *d)
{
    for (size_t i = 0; i < d->items.len; i++)
        free(d->items.items[i].id);
    vec_deinit(&d->items);
}

const struct dwelling *dwellings_get(const struct dwellings *d, const char *id)
{
    for (size_t i = 0; i < d->items.len; i++)
        if (strcmp(d->items.items[i].id, id) == 0)
            return &d->items.items[i];
    return NULL;
}

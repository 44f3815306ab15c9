/* SPDX-License-Identifier: Apache-2.0 */
#include "run/sweep.h"

#include <cleanroom/log.h>

#include "run/removal.h"

#define LIST_PAUSE (200 * NSEC_PER_MSEC)
/* What is still in use after this long may be so by something that a new listing shows: a container
   that a create call made only after the last one (Podman removes no pod holder before its pod). */
#define ROUND_TIME (2 * NSEC_PER_SEC)

#define STAGES 3

static void look(void *data);

static void drop_items(struct sweep *s)
{
    for (size_t i = 0; i < s->items.len; i++) {
        free(s->items.items[i].name);
        removal_deinit(s->items.items[i].removal);
        free(s->items.items[i].removal);
    }
    vec_deinit(&s->items);
}

static void finish(struct sweep *s)
{
    drop_items(s);
    s->done(s->data);
}

static void note_outcome(struct sweep *s, const struct sweep_item *item)
{
    const struct removal *r = item->removal;
    if (r->left) {
        strvec_pushf(&s->left, "%s %s: %s", object_kind_name(r->kind), item->name, r->why.message);
        return;
    }
    s->count++;
    if (s->removed)
        s->removed(s->data, r->kind, item->name);
}

static void item_done(void *data)
{
    struct sweep *s = data;
    if (--s->pending)
        return;
    for (size_t i = 0; i < s->items.len; i++)
        note_outcome(s, &s->items.items[i]);
    drop_items(s);
    /* A round for each stage is the rule; what stays listed after that is not asked for all the
       time. */
    nsec_t pause = s->left.len || ++s->rounds > STAGES ? LIST_PAUSE : 0;
    if (s->left.len && clock_now() + pause >= s->deadline)
        finish(s);
    else
        loop_timer_arm(s->engine->loop, &s->timer, clock_now() + pause, look, s);
}

static bool is_wanted(struct sweep *s, const struct object_info *o)
{
    return !s->wanted || s->wanted(s->data, o);
}

/* A world first: all that is in it goes with it, even what does not go by itself. Containers as
   long as there are any, then what they held on to. */
static int stage_of(enum object_kind kind)
{
    return kind == OBJECT_WORLD ? 0 : kind == OBJECT_CONTAINER ? 1 : 2;
}

static int choose_stage(struct sweep *s, const struct object_info *objects, size_t count)
{
    int stage = STAGES;
    for (size_t i = 0; i < count; i++)
        if (stage_of(objects[i].kind) < stage && is_wanted(s, &objects[i]))
            stage = stage_of(objects[i].kind);
    return stage;
}

static void remove_found(struct sweep *s, const struct object_info *objects, size_t count)
{
    int stage = choose_stage(s, objects, count);
    for (size_t i = 0; i < count; i++) {
        if (stage_of(objects[i].kind) != stage || !is_wanted(s, &objects[i]))
            continue;
        struct sweep_item *item = vec_push(&s->items);
        item->name = xstrdup(objects[i].name);
        item->removal = xcalloc(1, sizeof(*item->removal));
        item->removal->kind = objects[i].kind;
    }

    nsec_t round = clock_now() + ROUND_TIME;
    s->pending = s->items.len;
    for (size_t i = 0; i < s->items.len; i++) {
        struct sweep_item *item = &s->items.items[i];
        removal_begin(item->removal, s->engine, NULL, item->removal->kind, item->name, s->deadline,
                      item_done, s);
        item->removal->retry_until = round < s->deadline ? round : s->deadline;
    }
}

static void on_list(void *data, enum engine_outcome outcome, const struct object_info *objects,
                    size_t count, const struct error *err)
{
    struct sweep *s = data;
    if (outcome != ENGINE_OK) {
        error_clear(&s->error);
        error_copy(&s->error, err);
        if (clock_now() + LIST_PAUSE < s->deadline)
            loop_timer_arm(s->engine->loop, &s->timer, clock_now() + LIST_PAUSE, look, s);
        else
            finish(s);
        return;
    }

    error_clear(&s->error);
    strvec_deinit(&s->left);
    remove_found(s, objects, count);
    if (s->pending == 0)
        finish(s);
}

static void look(void *data)
{
    struct sweep *s = data;
    nsec_t now = clock_now(), half = now + (s->deadline - now) / 2;
    s->engine->ops->list(s->engine, s->run, half, on_list, s);
}

void sweep_begin(struct sweep *s)
{
    s->loop = s->engine->loop;
    look(s);
}

void sweep_deinit(struct sweep *s)
{
    if (s->loop)
        loop_timer_disarm(s->loop, &s->timer);
    drop_items(s);
    strvec_deinit(&s->left);
    error_clear(&s->error);
}

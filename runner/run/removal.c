/* SPDX-License-Identifier: Apache-2.0 */
#include "run/removal.h"

#include <cleanroom/log.h>

#define PAUSE_MIN (10 * NSEC_PER_MSEC)
#define PAUSE_MAX (500 * NSEC_PER_MSEC)

static void ask(void *data);

static void finish(struct removal *r, bool left)
{
    r->left = left;
    if (!left && r->ledger)
        ledger_strike(r->ledger, r->kind, r->name);
    r->done(r->data);
}

static void on_answer(void *data, enum engine_outcome outcome, const struct error *err)
{
    struct removal *r = data;
    r->op = NULL;
    if (outcome == ENGINE_OK || outcome == ENGINE_NOT_FOUND) {
        finish(r, false);
        return;
    }

    error_clear(&r->why);
    if (err && error_is_set(err))
        error_copy(&r->why, err);
    else
        error_set(&r->why, ERROR_ENGINE, "still in use");
    log_debug("remove %s '%s': %s", object_kind_name(r->kind), r->name, r->why.message);

    nsec_t next = clock_now() + r->pause;
    if (next >= r->retry_until) {
        finish(r, true);
        return;
    }
    r->pause = r->pause * 2 < PAUSE_MAX ? r->pause * 2 : PAUSE_MAX;
    loop_timer_arm(r->engine->loop, &r->timer, next, ask, r);
}

static void ask(void *data)
{
    struct removal *r = data;
    /* An engine that swallowed the request is asked once more within the deadline. */
    nsec_t now = clock_now(), half = now + (r->deadline - now) / 2;
    r->op = r->engine->ops->remove(r->engine, r->kind, r->name, half, on_answer, r);
}

void removal_begin(struct removal *r, struct engine *engine, struct ledger *ledger,
                   enum object_kind kind, const char *name, nsec_t deadline,
                   void (*done)(void *data), void *data)
{
    *r = (struct removal){.engine = engine,
                          .loop = engine->loop,
                          .ledger = ledger,
                          .kind = kind,
                          .name = name,
                          .deadline = deadline,
                          .retry_until = deadline,
                          .pause = PAUSE_MIN,
                          .done = done,
                          .data = data};
    ask(r);
}

void removal_deinit(struct removal *r)
{
    if (r->loop)
        loop_timer_disarm(r->loop, &r->timer);
    error_clear(&r->why);
}

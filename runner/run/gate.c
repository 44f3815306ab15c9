/* SPDX-License-Identifier: Apache-2.0 */
#include "run/gate.h"

static bool open_for_one(const struct gate *g)
{
    return g->waiting && (g->limit == 0 || g->inside < g->limit);
}

static void admit(void *data)
{
    struct gate *g = data;
    while (open_for_one(g)) {
        struct gate_ticket *t = g->waiting;
        g->waiting = t->next;
        t->place = TICKET_INSIDE;
        g->inside++;
        t->enter(t->data);
    }
}

static void admit_soon(struct gate *g)
{
    if (open_for_one(g))
        loop_timer_arm(g->loop, &g->timer, clock_now(), admit, g);
}

void gate_init(struct gate *g, struct loop *loop, int limit)
{
    *g = (struct gate){.loop = loop, .limit = limit};
}

void gate_deinit(struct gate *g)
{
    loop_timer_disarm(g->loop, &g->timer);
}

void gate_queue(struct gate *g, struct gate_ticket *t, int priority, void (*enter)(void *data),
                void *data)
{
    struct gate_ticket **p = &g->waiting;
    while (*p && (*p)->priority <= priority)
        p = &(*p)->next;
    *t = (struct gate_ticket){
        .place = TICKET_WAITING, .priority = priority, .enter = enter, .data = data, .next = *p};
    *p = t;
    admit_soon(g);
}

void gate_leave(struct gate *g, struct gate_ticket *t)
{
    if (t->place == TICKET_INSIDE)
        g->inside--;
    for (struct gate_ticket **p = &g->waiting; *p; p = &(*p)->next) {
        if (*p == t) {
            *p = t->next;
            break;
        }
    }
    t->place = TICKET_IDLE;
    admit_soon(g);
}

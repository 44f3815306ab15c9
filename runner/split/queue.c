/* SPDX-License-Identifier: Apache-2.0 */
#include "split/queue.h"

#include <assert.h>

void queue_init(struct queue *q, const struct units *units, int shards, const uint64_t *seed)
{
    size_t len = units->items.len;
    assert(shards > 0);
    *q = (struct queue){
        .units = units,
        .shards = shards,
        .order = units_longest_first(units),
        .shard_of = xcalloc(len, sizeof(int)),
        .chunk_of = xcalloc(len, sizeof(int)),
        .pulls = xcalloc((size_t)shards, sizeof(*q->pulls)),
    };
    for (size_t i = 0; i < len; i++) {
        q->left += units->items.items[i].msec;
        q->shard_of[i] = q->chunk_of[i] = QUEUE_NOBODY;
    }
    if (seed)
        order_shuffle(q->order, len, *seed);
}

bool queue_is_empty(const struct queue *q)
{
    return q->next == q->units->items.len;
}

void queue_spent(struct queue *q, int shard, int64_t msec)
{
    q->pulls[shard].spent = msec;
}

/* Tests that run side by side take longer than it lasts. */
static void measure(struct queue *q, int shard, int64_t now)
{
    const struct pull *last = &q->pulls[shard];
    int64_t lasted = now - last->at;
    if (last->spent <= 0 || last->estimate == 0 || lasted <= 0)
        return;
    int64_t worked = last->spent < lasted ? last->spent : lasted;
    q->measured++;
    q->estimated += last->estimate;
    q->worked += worked;
    q->paid += lasted - worked;
}

static int64_t cost(const struct queue *q)
{
    return q->measured ? q->paid / q->measured : 0;
}

static int64_t in_time(const struct queue *q, int64_t estimate)
{
    return q->measured ? (int64_t)((double)estimate * (double)q->worked / (double)q->estimated)
                       : estimate;
}

/* How long a shard still has to do; the one that asks has nothing. */
static int64_t busy(const struct queue *q, int shard, int64_t now)
{
    const struct pull *last = &q->pulls[shard];
    int64_t until = last->at + in_time(q, last->estimate) + cost(q);
    return last->estimate && until > now ? until - now : 0;
}

/* As water in a vessel of uneven ground: who has more to do than the portion takes none of it. The
   one that asks does take. */
static int64_t portion(const struct queue *q, int shard, int64_t now)
{
    int64_t level = INT64_MAX;
    for (int taking = q->shards, before = 0; taking != before;) {
        int64_t sum = in_time(q, q->left);
        before = taking;
        taking = 1;
        for (int s = 0; s < q->shards; s++) {
            int64_t has = busy(q, s, now);
            if (s != shard && has <= level) {
                sum += has;
                taking++;
            }
        }
        level = sum / taking;
    }
    return level;
}

static int64_t choose_target(const struct queue *q, int shard, int64_t now)
{
    int64_t share = portion(q, shard, now), half = share / 2, least = cost(q);
    int64_t target = half < QUEUE_WORTH * least ? share : half;
    return target > least ? target : least;
}

bool queue_next(struct queue *q, int shard, int64_t now, struct chunk *chunk)
{
    assert(shard >= 0 && shard < q->shards);
    measure(q, shard, now);
    q->pulls[shard] = (struct pull){.at = now};
    if (queue_is_empty(q))
        return false;

    int64_t target = choose_target(q, shard, now), taken = 0;
    *chunk = (struct chunk){.units = &q->order[q->next], .number = q->chunks++};
    while (!queue_is_empty(q)) {
        size_t unit = q->order[q->next];
        int64_t msec = q->units->items.items[unit].msec;
        if (chunk->count > 0 && in_time(q, taken + msec) > target)
            break;
        assert(q->shard_of[unit] == QUEUE_NOBODY);
        q->shard_of[unit] = shard;
        q->chunk_of[unit] = chunk->number;
        taken += msec;
        chunk->count++;
        q->next++;
    }
    q->left -= taken;
    q->pulls[shard].estimate = taken;
    return true;
}

void queue_deinit(struct queue *q)
{
    free(q->order);
    free(q->shard_of);
    free(q->chunk_of);
    free(q->pulls);
    *q = (struct queue){0};
}

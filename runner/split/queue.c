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

bool queue_next(struct queue *q, int shard, struct chunk *chunk)
{
    assert(shard >= 0 && shard < q->shards);
    if (queue_is_empty(q))
        return false;

    int64_t target = q->left / (2 * (int64_t)q->shards), taken = 0;
    *chunk = (struct chunk){.units = &q->order[q->next], .number = q->chunks++};
    while (!queue_is_empty(q)) {
        size_t unit = q->order[q->next];
        int64_t msec = q->units->items.items[unit].msec;
        if (chunk->count > 0 && taken + msec > target)
            break;
        assert(q->shard_of[unit] == QUEUE_NOBODY);
        q->shard_of[unit] = shard;
        q->chunk_of[unit] = chunk->number;
        taken += msec;
        chunk->count++;
        q->next++;
    }
    q->left -= taken;
    return true;
}

void queue_deinit(struct queue *q)
{
    free(q->order);
    free(q->shard_of);
    free(q->chunk_of);
    *q = (struct queue){0};
}

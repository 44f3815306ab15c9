/* SPDX-License-Identifier: Apache-2.0 */
#include "split/cut.h"

#include <assert.h>
#include <search.h>
#include <string.h>

/* --- units ------------------------------------------------------------------------------------ */

/* Where the unit of a name is; the first member is what naming_compare() looks at. */
struct place {
    const char *name;
    size_t index;
};

/* The index of the unit of this name, which may be a new one; takes the name. */
static size_t unit_of(struct units *u, void **places, char *name)
{
    struct place *wanted = xmalloc(sizeof(*wanted));
    *wanted = (struct place){name, u->items.len};
    struct place *const *found = tsearch(wanted, places, naming_compare);
    if (!found)
        abort(); /* out of memory, as in mem.c */
    if (*found == wanted) {
        *vec_push(&u->items) = (struct unit){.name = name, .known = true};
        return wanted->index;
    }
    free(wanted);
    free(name);
    return (*found)->index;
}

static int compare_msec(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t at_least_one(int64_t msec)
{
    return msec > 0 ? msec : 1;
}

/* The lower median of what is known, or 1. */
static int64_t median(const int64_t *msec, size_t count)
{
    _cleanup_free_ int64_t *known = xcalloc(count, sizeof(*known));
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        if (msec[i] != TIMINGS_UNKNOWN)
            known[len++] = msec[i];
    if (len == 0)
        return 1;
    qsort(known, len, sizeof(*known), compare_msec);
    return at_least_one(known[(len - 1) / 2]);
}

static int64_t *durations(const struct test_list *list, enum naming naming,
                          const struct timings *timings)
{
    int64_t *msec = xcalloc(list->tests.len, sizeof(*msec));
    for (size_t i = 0; i < list->tests.len; i++)
        msec[i] = timings ? timings_of(timings, naming, list->tests.items[i].key) : TIMINGS_UNKNOWN;
    return msec;
}

void units_make(struct units *u, const struct test_list *list, enum naming naming,
                enum granularity granularity, const struct timings *timings)
{
    _cleanup_free_ int64_t *msec = durations(list, naming, timings);
    int64_t unknown = median(msec, list->tests.len);
    void *places = NULL;

    u->tests = list->tests.len;
    for (size_t i = 0; i < list->tests.len; i++) {
        char *name = naming_group(naming, list->tests.items[i].id, granularity);
        size_t at = unit_of(u, &places, name);
        struct unit *unit = &u->items.items[at];
        unit->tests++;
        unit->known &= msec[i] != TIMINGS_UNKNOWN;
        unit->msec += msec[i] == TIMINGS_UNKNOWN ? unknown : msec[i];
    }
    for (size_t i = 0; i < u->items.len; i++)
        u->items.items[i].msec = at_least_one(u->items.items[i].msec);
    tdestroy(places, free);
}

void units_add(struct units *u, const struct unit *unit)
{
    *vec_push(&u->items) = (struct unit){xstrdup(unit->name), unit->tests, unit->msec, unit->known};
    u->tests += unit->tests;
}

void units_deinit(struct units *u)
{
    for (size_t i = 0; i < u->items.len; i++)
        free(u->items.items[i].name);
    vec_deinit(&u->items);
    u->tests = 0;
}

void units_part(const struct units *u, const int *shard_of, int shard, struct strvec *names)
{
    for (size_t i = 0; i < u->items.len; i++)
        if (shard_of[i] == shard)
            strvec_push(names, u->items.items[i].name);
}

/* --- cuts ------------------------------------------------------------------------------------- */

/* A unit goes where its middle falls when the tests are a line cut into equal lengths. */
void cut_by_count(const struct units *u, int shards, int *shard_of)
{
    size_t before = 0;
    assert(shards > 0);
    for (size_t i = 0; i < u->items.len; i++) {
        size_t twice_middle = 2 * before + u->items.items[i].tests;
        shard_of[i] = (int)(twice_middle * (size_t)shards / (2 * u->tests));
        assert(shard_of[i] < shards);
        before += u->items.items[i].tests;
    }
}

static int compare_units(const void *a, const void *b)
{
    const struct unit *x = *(const struct unit *const *)a, *y = *(const struct unit *const *)b;
    if (x->msec != y->msec)
        return x->msec < y->msec ? 1 : -1;
    return strcmp(x->name, y->name);
}

size_t *units_longest_first(const struct units *u)
{
    _cleanup_free_ const struct unit **sorted = xcalloc(u->items.len, sizeof(struct unit *));
    size_t *order = xcalloc(u->items.len, sizeof(*order));
    for (size_t i = 0; i < u->items.len; i++)
        sorted[i] = &u->items.items[i];
    if (u->items.len)
        qsort(sorted, u->items.len, sizeof(struct unit *), compare_units);
    for (size_t i = 0; i < u->items.len; i++)
        order[i] = (size_t)(sorted[i] - u->items.items);
    return order;
}

void cut_by_time(const struct units *u, int shards, int *shard_of)
{
    assert(shards > 0);
    _cleanup_free_ size_t *order = units_longest_first(u);
    _cleanup_free_ int64_t *load = xcalloc((size_t)shards, sizeof(*load));
    for (size_t i = 0; i < u->items.len; i++) {
        int lightest = 0;
        for (int s = 1; s < shards; s++)
            if (load[s] < load[lightest])
                lightest = s;
        shard_of[order[i]] = lightest;
        load[lightest] += u->items.items[order[i]].msec;
    }
}

/* --- chance ----------------------------------------------------------------------------------- */

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Numbers below 2^64 mod n are thrown away, so that what is left is a whole number of n's. */
static uint64_t below(uint64_t *state, uint64_t n)
{
    uint64_t number = 0, odd = -n % n;
    do
        number = splitmix64(state);
    while (number < odd);
    return number % n;
}

void order_shuffle(size_t *order, size_t count, uint64_t seed)
{
    for (size_t i = count; i > 1; i--) {
        size_t k = (size_t)below(&seed, i), last = order[i - 1];
        order[i - 1] = order[k];
        order[k] = last;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of cuts and queues over many random suites: what must hold for every one of them. */
#include <inttypes.h>
#include <stdint.h>

#include "split/queue.h"
#include "tap.h"

#define ROUNDS 300

static uint64_t noise(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return *state >> 33;
}

static void add_unit(struct units *u, char *name, size_t tests, int64_t msec)
{
    *vec_push(&u->items) = (struct unit){.name = name, .tests = tests, .msec = msec};
    u->tests += tests;
}

/* Skewed, as suites are: many short ones, a few long ones, many equals. */
static void random_units(struct units *u, uint64_t *state, size_t tests_max)
{
    size_t count = noise(state) % 200;
    for (size_t i = 0; i < count; i++) {
        int64_t msec = 1 + (int64_t)(noise(state) % (noise(state) % 10 == 0 ? 5000 : 50));
        add_unit(u, xasprintf("t%03zu", i), 1 + noise(state) % tests_max, msec);
    }
}

static size_t *loads(const struct units *u, int shards, const int *shard_of, bool by_time)
{
    size_t *load = xcalloc((size_t)shards, sizeof(*load));
    for (size_t i = 0; i < u->items.len; i++) {
        check(shard_of[i] >= 0 && shard_of[i] < shards);
        load[shard_of[i]] += by_time ? (size_t)u->items.items[i].msec : u->items.items[i].tests;
    }
    return load;
}

static size_t largest(const size_t *load, int shards)
{
    size_t most = 0;
    for (int s = 0; s < shards; s++)
        most = load[s] > most ? load[s] : most;
    return most;
}

static size_t smallest(const size_t *load, int shards)
{
    size_t least = SIZE_MAX;
    for (int s = 0; s < shards; s++)
        least = load[s] < least ? load[s] : least;
    return least;
}

/* Disjoint and complete: the parts, put together, are as many names as there are units, and each
   unit is in the part that the cut names. */
static void check_parts(const struct units *u, int shards, const int *shard_of)
{
    _cleanup_strvec_ struct strvec all = STRVEC_INIT;
    for (int s = 0; s < shards; s++)
        units_part(u, shard_of, s, &all);
    check_int(all.len, u->items.len);
    for (size_t i = 0; i < u->items.len; i++)
        check(strvec_contains(&all, u->items.items[i].name));
}

static void test_count_properties(void)
{
    uint64_t state = 1;
    for (int round = 0; round < ROUNDS; round++) {
        _cleanup_units_ struct units u = UNITS_INIT;
        size_t tests_max = 1 + noise(&state) % 5;
        int shards = 1 + (int)(noise(&state) % 9);
        random_units(&u, &state, tests_max);
        _cleanup_free_ int *shard_of = xcalloc(u.items.len, sizeof(int));
        cut_by_count(&u, shards, shard_of);
        check_parts(&u, shards, shard_of);
        _cleanup_free_ size_t *load = loads(&u, shards, shard_of, false);
        check(largest(load, shards) - smallest(load, shards) <= 2 * tests_max - 1);
        for (size_t i = 1; i < u.items.len; i++)
            check(shard_of[i - 1] <= shard_of[i]);
    }
}

/* One more test anywhere moves at most shards - 1 of the others. */
static void test_count_is_stable(void)
{
    uint64_t state = 2;
    for (int round = 0; round < ROUNDS; round++) {
        size_t count = 1 + noise(&state) % 100, at = noise(&state) % (count + 1);
        int shards = 1 + (int)(noise(&state) % 9), moved = 0;
        _cleanup_units_ struct units before = UNITS_INIT, after = UNITS_INIT;
        for (size_t i = 0; i < count; i++)
            add_unit(&before, xasprintf("%zu", i), 1, 1);
        for (size_t i = 0; i <= count; i++)
            add_unit(&after, i == at ? xstrdup("new") : xasprintf("%zu", i - (i > at)), 1, 1);
        _cleanup_free_ int *old = xcalloc(count, sizeof(int));
        _cleanup_free_ int *new = xcalloc(count + 1, sizeof(int));
        cut_by_count(&before, shards, old);
        cut_by_count(&after, shards, new);
        for (size_t i = 0; i < count; i++)
            moved += old[i] != new[i + (i >= at)];
        check(moved <= shards - 1);
    }
}

/* Graham 1969: a list schedule is at most sum/N + (1 - 1/N) * longest; and the longest alone, and
   the sum over N, are what no cut can beat. */
static void test_time_properties(void)
{
    uint64_t state = 3;
    for (int round = 0; round < ROUNDS; round++) {
        _cleanup_units_ struct units u = UNITS_INIT;
        int shards = 1 + (int)(noise(&state) % 9);
        size_t sum = 0, longest = 0;
        random_units(&u, &state, 3);
        for (size_t i = 0; i < u.items.len; i++) {
            size_t msec = (size_t)u.items.items[i].msec;
            sum += msec;
            longest = msec > longest ? msec : longest;
        }
        _cleanup_free_ int *shard_of = xcalloc(u.items.len, sizeof(int));
        cut_by_time(&u, shards, shard_of);
        check_parts(&u, shards, shard_of);
        _cleanup_free_ size_t *load = loads(&u, shards, shard_of, true);
        size_t n = (size_t)shards;
        check(largest(load, shards) * n <= sum + (n - 1) * longest);
        check(largest(load, shards) - smallest(load, shards) <= longest);
    }
}

/* The bound of 4/3 - 1/(3N) against the best cut there is, found by trying all of them. */
static void test_time_against_the_best(void)
{
    uint64_t state = 4;
    for (int round = 0; round < 60; round++) {
        _cleanup_units_ struct units u = UNITS_INIT;
        int shards = 3, shard_of[8] = {0};
        for (size_t i = 0; i < 8; i++)
            add_unit(&u, xasprintf("%zu", i), 1, 1 + (int64_t)(noise(&state) % 30));
        size_t best = SIZE_MAX;
        for (int cut = 0; cut < 6561; cut++) {
            int rest = cut;
            for (size_t i = 0; i < 8; i++, rest /= 3)
                shard_of[i] = rest % 3;
            _cleanup_free_ size_t *load = loads(&u, shards, shard_of, true);
            best = largest(load, shards) < best ? largest(load, shards) : best;
        }
        cut_by_time(&u, shards, shard_of);
        _cleanup_free_ size_t *load = loads(&u, shards, shard_of, true);
        check(largest(load, shards) * 9 <= best * 11);
    }
}

/* The same tests listed in another order go to the same shards. */
static void test_time_is_deterministic(void)
{
    uint64_t state = 5;
    for (int round = 0; round < ROUNDS; round++) {
        _cleanup_units_ struct units u = UNITS_INIT, back = UNITS_INIT;
        random_units(&u, &state, 1);
        size_t len = u.items.len;
        for (size_t i = len; i > 0; i--)
            add_unit(&back, xstrdup(u.items.items[i - 1].name), 1, u.items.items[i - 1].msec);
        _cleanup_free_ int *there = xcalloc(len, sizeof(int));
        _cleanup_free_ int *here = xcalloc(len, sizeof(int));
        cut_by_time(&u, 4, there);
        cut_by_time(&back, 4, here);
        for (size_t i = 0; i < len; i++)
            check_int(there[i], here[len - 1 - i]);
    }
}

/* Pulled by whom ever, it drains; each unit is in one chunk; no chunk is longer than its share but
   by its only unit, and a shard's last chunk is a small part of the whole. */
static void drain(const struct units *u, int shards, const uint64_t *seed, uint64_t *state)
{
    _cleanup_queue_ struct queue q;
    struct chunk c;
    size_t had = 0;
    int chunks = 0;
    queue_init(&q, u, shards, seed);
    _cleanup_free_ int *times = xcalloc(u->items.len, sizeof(int));
    int64_t now = 0;
    for (int64_t left = q.left;;) {
        int64_t msec = 0, before = left, shard = (int64_t)(noise(state) % (uint64_t)shards);
        queue_spent(&q, (int)shard, (int64_t)(noise(state) % 100));
        if (!queue_next(&q, (int)shard, now += (int64_t)(noise(state) % 50), &c))
            break;
        check(c.count > 0 && c.number == chunks++);
        for (size_t i = 0; i < c.count; i++) {
            msec += u->items.items[c.units[i]].msec;
            times[c.units[i]]++;
            check_int(q.chunk_of[c.units[i]], c.number);
        }
        check(q.measured || chunks > 1 || c.count == 1 || msec <= before / (2 * shards));
        had += c.count;
        left -= msec;
        check_int(q.left, left);
    }
    check(queue_is_empty(&q) && q.left == 0);
    check_int(had, u->items.len);
    for (size_t i = 0; i < u->items.len; i++)
        check_int(times[i], 1);
    check_parts(u, shards, q.shard_of);
}

static void test_queue_drains(void)
{
    uint64_t state = 6;
    for (int round = 0; round < ROUNDS; round++) {
        _cleanup_units_ struct units u = UNITS_INIT;
        int shards = 1 + (int)(noise(&state) % 9);
        uint64_t seed = noise(&state);
        random_units(&u, &state, 3);
        drain(&u, shards, NULL, &state);
        drain(&u, shards, &seed, &state);
    }
}

/* Shards that work as long as the units say, `slower` times, and pay for each call. Returns how
   long the last one is at it. */
static int64_t simulate(const struct units *u, int shards, int64_t slower, int64_t paid, int *calls)
{
    int64_t until[9] = {0}, end = 0;
    bool done[9] = {false};
    _cleanup_queue_ struct queue q;
    struct chunk c;
    queue_init(&q, u, shards, NULL);
    for (int left = shards; left;) {
        int first = -1;
        for (int s = 0; s < shards; s++)
            if (!done[s] && (first < 0 || until[s] < until[first]))
                first = s;
        if (!queue_next(&q, first, until[first], &c)) {
            done[first] = true;
            left--;
            continue;
        }
        int64_t spent = 0;
        for (size_t i = 0; i < c.count; i++)
            spent += slower * u->items.items[c.units[i]].msec;
        queue_spent(&q, first, spent);
        until[first] += spent + paid;
        end = until[first] > end ? until[first] : end;
    }
    *calls = q.chunks;
    return end;
}

static int64_t ideal(const struct units *u, int shards)
{
    int64_t sum = 0, longest = 0;
    for (size_t i = 0; i < u->items.len; i++) {
        int64_t msec = u->items.items[i].msec;
        sum += msec;
        longest = msec > longest ? msec : longest;
    }
    return sum / shards > longest ? sum / shards : longest;
}

/* With the longest first, none is idle for longer than the last chunk lasts. */
static void test_queue_is_balanced(void)
{
    uint64_t state = 8;
    for (int round = 0; round < ROUNDS; round++) {
        _cleanup_units_ struct units u = UNITS_INIT;
        int calls;
        random_units(&u, &state, 1);
        int64_t longest = 0, end = simulate(&u, 4, 1, 0, &calls);
        for (size_t i = 0; i < u.items.len; i++)
            longest = u.items.items[i].msec > longest ? u.items.items[i].msec : longest;
        check(end <= ideal(&u, 4) + longest);
    }
}

/* 120 tests, uneven. What a call costs is paid as seldom as it is worth, and the end is still
   balanced; also when the estimates are a fraction of the truth. */
static void test_queue_saves_calls(void)
{
    static const struct {
        int64_t paid;
        int calls_max;
        int64_t percent; /* above the ideal */
    } cases[] = {{0, 120, 5}, {50, 40, 5}, {500, 16, 12}, {2000, 9, 25}};
    _cleanup_units_ struct units u = UNITS_INIT;
    for (int i = 0; i < 120; i++)
        add_unit(&u, xasprintf("t%03d", i), 1, i % 10 ? 100 + 5 * i : 2000 + 30 * i);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (int64_t slower = 1; slower <= 3; slower += 2) {
            int calls;
            int64_t paid = slower * cases[i].paid, best = slower * ideal(&u, 4);
            int64_t end = simulate(&u, 4, slower, paid, &calls);
            printf("# a call costs %" PRId64 " ms: %d calls, %" PRId64 " ms, ideal %" PRId64
                   " ms\n",
                   paid, calls, end, best);
            check(calls <= cases[i].calls_max);
            check(end <= best * (100 + cases[i].percent) / 100);
        }
    }
}

static void test_shuffle(void)
{
    size_t order[6] = {0, 1, 2, 3, 4, 5}, again[6] = {0, 1, 2, 3, 4, 5};
    size_t first[4] = {0};
    order_shuffle(order, 6, 42);
    order_shuffle(again, 6, 42);
    check(memcmp(order, again, sizeof(order)) == 0);
    /* Worked out elsewhere from the published constants: the same on every machine. */
    static const size_t want[6] = {4, 3, 0, 2, 5, 1};
    for (size_t i = 0; i < 6; i++)
        check_int(order[i], want[i]);
    for (uint64_t seed = 0; seed < 4000; seed++) {
        size_t four[4] = {0, 1, 2, 3};
        order_shuffle(four, 4, seed);
        first[four[0]]++;
    }
    for (size_t i = 0; i < 4; i++)
        check(first[i] > 900 && first[i] < 1100);
}

static void test_units(void)
{
    static const char text[] = "a.py::C::x\na.py::C::y\na.py::z\nb.py::w\n";
    static const char known[] = "cleanroom timings 1\n100\ta.C.x\n20\ta.z\n60\tb.w\n9\tgone\n";
    _cleanup_test_list_ struct test_list list = TEST_LIST_INIT;
    _cleanup_timings_ struct timings t = TIMINGS_INIT;
    _cleanup_units_ struct units by_class = UNITS_INIT, by_file = UNITS_INIT, blind = UNITS_INIT;
    check_int(test_list_read(&list, LIST_PYTEST, NAMING_PYTEST, text, strlen(text), NULL), 0);
    check_int(timings_parse(&t, known, strlen(known), NULL), 0);

    units_make(&by_class, &list, NAMING_PYTEST, GRANULARITY_CLASS, &t);
    check_int(by_class.items.len, 3);
    check_str(by_class.items.items[0].name, "a.py::C");
    check_int(by_class.items.items[0].tests, 2);
    check_int(by_class.items.items[0].msec, 160); /* y is new: the median of 20, 60 and 100 */
    check(!by_class.items.items[0].known && by_class.items.items[1].known);

    units_make(&by_file, &list, NAMING_PYTEST, GRANULARITY_FILE, &t);
    check_int(by_file.items.len, 2);
    check_int(by_file.items.items[0].msec, 180);

    units_make(&blind, &list, NAMING_PYTEST, GRANULARITY_FILE, NULL);
    check_int(blind.items.items[0].msec, 3);
    check_int(blind.items.items[1].msec, 1);
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_units),
        TAP(test_count_properties),
        TAP(test_count_is_stable),
        TAP(test_time_properties),
        TAP(test_time_against_the_best),
        TAP(test_time_is_deterministic),
        TAP(test_queue_drains),
        TAP(test_queue_is_balanced),
        TAP(test_queue_saves_calls),
        TAP(test_shuffle),
        {0},
    });
}

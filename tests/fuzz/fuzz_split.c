/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What test runners print and what caches bring back: the first two bytes choose format and naming.
 * A list that was read has names, keys, groups and cuts; timings that were read are sorted and
 * found again.
 */
#include "split/queue.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(const struct test_list *list, enum naming naming)
{
    for (int g = 0; g < GRANULARITIES; g++) {
        _cleanup_units_ struct units u = UNITS_INIT;
        units_make(&u, list, naming, (enum granularity)g, NULL);
        _cleanup_free_ int *shard_of = xcalloc(u.items.len, sizeof(int));
        _cleanup_queue_ struct queue q;
        struct chunk chunk;
        size_t tests = 0;
        for (size_t i = 0; i < u.items.len; i++)
            tests += u.items.items[i].tests;
        assert(tests == list->tests.len);
        cut_by_count(&u, 3, shard_of);
        cut_by_time(&u, 3, shard_of);
        queue_init(&q, &u, 3, NULL);
        for (int64_t now = 0; queue_next(&q, 1, now, &chunk); now += 1000) {
            assert(chunk.count > 0);
            queue_spent(&q, 1, now % 3 * 400);
        }
    }
}

static void check_timings(const char *text, size_t len)
{
    _cleanup_timings_ struct timings t = TIMINGS_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    if (timings_parse(&t, text, len, &err) < 0) {
        assert(err.message);
        return;
    }
    for (size_t i = 0; i < t.tests.len; i++) {
        assert(i == 0 || strcmp(t.tests.items[i - 1].key, t.tests.items[i].key) < 0);
        assert(timings_of(&t, NAMING_DOTTED, t.tests.items[i].key) == t.tests.items[i].msec);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const char *text = (const char *)data + 2;
    enum naming naming = (enum naming)(data[1] % NAMINGS);
    _cleanup_test_list_ struct test_list list = TEST_LIST_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    if (test_list_read(&list, (enum list_format)(data[0] % LIST_FORMATS), naming, text, size - 2,
                       &err) == 0)
        check_list(&list, naming);
    else
        assert(err.message);
    check_timings(text, size - 2);
    return 0;
}

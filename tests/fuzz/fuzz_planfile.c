/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.json that anybody may have edited: a reason and nothing read, or a plan whose units are each
 * of one shard, and whose parts are together the whole.
 */
#include "split/planfile.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_parts(const struct planfile *p)
{
    int half = (int)p->shards / 2;
    size_t units = 0, tests = 0;
    for (int i = 0; i < 2; i++) {
        _cleanup_units_ struct units part = UNITS_INIT;
        _cleanup_test_list_ struct test_list list = TEST_LIST_INIT;
        planfile_part(p, i ? half : 0, i ? (int)p->shards - half : half, &part);
        planfile_part_tests(p, i ? half : 0, i ? (int)p->shards - half : half, &list);
        assert(part.tests == list.tests.len);
        units += part.items.len;
        tests += part.tests;
    }
    assert(units == p->units.items.len);
    assert(tests == p->tests.tests.len && tests == p->units.tests);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_planfile_ struct planfile p = PLANFILE_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    if (planfile_parse(&p, "plan.json", (const char *)data, size, &err) < 0) {
        assert(error_is_set(&err) && !p.id);
        return 0;
    }
    assert(p.shards >= 1 && p.id && p.target && p.listed == (p.units.items.len > 0));
    check_parts(&p);
    return 0;
}

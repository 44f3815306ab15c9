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
    _cleanup_strvec_ struct strvec names = STRVEC_INIT;
    size_t tests = 0;
    for (int s = 0; s < p->shards; s++)
        units_part(&p->units, p->shard_of, s, &names);
    assert(names.len == p->units.items.len);
    for (size_t i = 0; i < p->units.items.len; i++)
        tests += p->units.items.items[i].tests;
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "run/planning.h"

#include "split/planfile.h"

size_t planning_shards(const struct run *r)
{
    return r->division.state == DIVISION_UNLISTED ? 1 : 0;
}

int planning_check(const struct run *r, struct error *err)
{
    _cleanup_planfile_ struct planfile file = PLANFILE_INIT;
    const char *path = r->ctx.settings->plan_input;
    if (!path)
        return 0;
    if (planfile_read(&file, path, err) < 0)
        return -1;
    return planfile_check_images(&file, &r->plan, r->ctx.images, err);
}

int planning_write(const struct run *r, struct error *err)
{
    _cleanup_planfile_ struct planfile file = PLANFILE_INIT;
    const struct division *d = &r->division;
    const char *path = r->ctx.settings->plan_output;
    planfile_init(&file, &r->plan);
    planfile_set_images(&file, &r->plan, r->ctx.images);
    file.split = d->method.split;
    if (d->seed)
        file.seed = (int64_t)d->seed;
    if (d->shard_of)
        planfile_set_units(&file, &d->list, d->method.naming, d->method.granularity,
                           d->method.by_files, &d->units, d->shard_of);
    if (planfile_write(&file, path, err) < 0)
        return -1;
    console_say(r->ctx.console, 0, "%s: %zu tests for %zu shards, %zu image%s", path,
                d->list.tests.len, r->plan.shards.len, r->plan.images.len,
                r->plan.images.len == 1 ? "" : "s");
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "run/tell.h"

#include <cleanroom/log.h>

#include "report/annotate.h"
#include "run/outcome.h"

/* Of the suite's shard; -1: it is no shard's, or the shard never began. */
static int code_of(const struct run *r, const struct result_suite *suite)
{
    for (size_t i = 0; i < r->shard_count; i++)
        if (r->shards[i].number == suite->shard)
            return shard_code(&r->shards[i]);
    return -1;
}

void tell_journal(struct run *r)
{
    _cleanup_free_ int *codes = xcalloc(r->result.suites.len + 1, sizeof(*codes));
    for (size_t i = 0; i < r->result.suites.len; i++)
        codes[i] = code_of(r, &r->result.suites.items[i]);
    journal_result(r->ctx.journal, &r->result, codes);
}

static enum ci_system ci_of(const struct settings *settings)
{
    static const enum ci_system systems[] = {
        [ANNOTATIONS_NEVER] = CI_NONE,
        [ANNOTATIONS_GITHUB] = CI_GITHUB,
        [ANNOTATIONS_TEAMCITY] = CI_TEAMCITY,
        [ANNOTATIONS_BUILDKITE] = CI_BUILDKITE,
    };
    if (settings->own.annotations == ANNOTATIONS_AUTO)
        return ci_detect();
    return systems[settings->own.annotations];
}

void tell(struct run *r, int exit_code)
{
    const struct settings *settings = r->ctx.settings;
    enum ci_system ci = settings->serve ? CI_NONE : ci_of(settings);
    _cleanup_error_ struct error err = ERROR_INIT;
    annotate_begin(ci, exit_code, r->ctx.console);
    console_summary(r->ctx.console, &r->result, settings->own.results, exit_code);
    /* The run is what it was, whether or not its CI could be told. */
    if (annotate_result(ci, &r->result, exit_code, r->ctx.console, &err) < 0)
        log_warning("%s", err.message);
}

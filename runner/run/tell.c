/* SPDX-License-Identifier: Apache-2.0 */
#include "run/tell.h"

#include <cleanroom/log.h>

#include "report/annotate.h"

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

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmds.h"
#include "run/run.h"
#include "split/planfile.h"

/* What the file says is as if it had been said. */
static int take_plan(const struct invocation *inv, struct settings *settings, struct error *err)
{
    _cleanup_planfile_ struct planfile file = PLANFILE_INIT;
    const char *path = invocation_get(inv, "plan");
    if (!path)
        return 0;
    replace_str(&settings->plan_input, path);
    if (planfile_read(&file, path, err) < 0)
        return -1;
    return planfile_settle(&file, settings, err);
}

int cmd_run(const struct invocation *inv, FILE *out, struct error *err)
{
    _cleanup_(settings_deinit) struct settings settings;
    if (invocation_settings(inv, &settings, err) < 0)
        return error_exit_code(err->kind);
    if (take_plan(inv, &settings, err) < 0)
        return error_exit_code(err->kind);
    return run_execute(&settings, NULL, out, err);
}

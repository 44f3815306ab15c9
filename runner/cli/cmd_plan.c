/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmds.h"
#include "config/plan.h"
#include "run/run.h"

int cmd_plan(const struct invocation *inv, FILE *out, struct error *err)
{
    _cleanup_(settings_deinit) struct settings settings;
    if (invocation_settings(inv, &settings, err) < 0)
        return error_exit_code(err->kind);

    const char *output = invocation_get(inv, "output");
    if (output) {
        replace_str(&settings.plan_output, output);
        return run_execute(&settings, NULL, out, err);
    }

    _cleanup_(plan_deinit) struct plan plan = {0};
    if (plan_make(&plan, &settings, NULL, err) < 0)
        return error_exit_code(err->kind);
    plan_print(&plan, out);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmds.h"
#include "run/run.h"

int cmd_run(const struct invocation *inv, FILE *out, struct error *err)
{
    _cleanup_(settings_deinit) struct settings settings;
    if (invocation_settings(inv, &settings, err) < 0)
        return error_exit_code(err->kind);
    return run_execute(&settings, NULL, out, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmds.h"
#include "run/recycle.h"

int cmd_recycle(const struct invocation *inv, FILE *out, struct error *err)
{
    _cleanup_(settings_deinit) struct settings settings;
    if (invocation_settings(inv, &settings, err) < 0)
        return error_exit_code(err->kind);

    const struct recycle_options options = {
        .run = inv->words.len ? inv->words.items[0] : NULL,
        .dry_run = invocation_get(inv, "dry-run"),
    };
    return recycle_execute(&settings, &options, out, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmds.h"
#include "config/values.h"
#include "run/run.h"

static int take_port(const struct invocation *inv, uint16_t *port, struct error *err)
{
    const char *text = invocation_get(inv, "port");
    int64_t value = 0;
    if (!text)
        return 0;
    if (value_int(text, &value) < 0 || value < 1 || value > UINT16_MAX)
        return error_set(err, ERROR_USAGE, "--port: '%s' is not a port: 1 to 65535", text);
    *port = (uint16_t)value;
    return 0;
}

int cmd_serve(const struct invocation *inv, FILE *out, struct error *err)
{
    _cleanup_(settings_deinit) struct settings settings;
    if (invocation_settings(inv, &settings, err) < 0)
        return error_exit_code(err->kind);
    settings.serve = true;
    settings.own.shards = 1;
    replace_str(&settings.own.slice, NULL);
    if (take_port(inv, &settings.serve_port, err) < 0)
        return error_exit_code(err->kind);
    return run_execute(&settings, NULL, out, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "cli/cmds.h"
#include "run/run.h"
#include "run/shell.h"

static int find_number(const struct invocation *inv, const struct settings *settings,
                       struct error *err)
{
    const char *text = invocation_get(inv, "shard");
    char *end;
    if (!text)
        return 1;
    long number = strtol(text, &end, 10);
    if (*end || end == text || number < 1 || number > settings->own.shards)
        return error_set(err, ERROR_USAGE,
                         "--shard '%s': it is one of 1 to %d; --shards N makes it one of N", text,
                         (int)settings->own.shards);
    return (int)number;
}

int cmd_shell(const struct invocation *inv, FILE *out, struct error *err)
{
    _cleanup_(settings_deinit) struct settings settings;
    (void)out; /* the container's alone */
    if (invocation_settings(inv, &settings, err) < 0)
        return error_exit_code(err->kind);
    int number = find_number(inv, &settings, err);
    if (number < 0)
        return error_exit_code(err->kind);
    struct shell shell;
    shell_init(&shell, number, inv->args);
    int code = run_execute(&settings, &shell, stderr, err);
    shell_deinit(&shell);
    return code;
}

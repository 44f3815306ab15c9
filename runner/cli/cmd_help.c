/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmds.h"
#include "cli/help.h"

int cmd_help(const struct invocation *inv, FILE *out, struct error *err)
{
    const char *name = inv->words.len ? inv->words.items[0] : commands[0].name;
    const struct command *command = command_find(name);
    if (command) {
        help_print(command, out);
        return 0;
    }

    const char *nearest = command_nearest(name);
    if (nearest)
        error_set(err, ERROR_USAGE, "there is no command '%s', did you mean '%s'?", name, nearest);
    else
        error_set(err, ERROR_USAGE, "there is no command '%s'; see 'cleanroom --help'", name);
    return error_exit_code(err->kind);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

#include <string.h>

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

const char *command_nearest(const char *name)
{
    _cleanup_free_ const char **names = xcalloc(command_count, sizeof(*names));
    for (size_t i = 0; i < command_count; i++)
        names[i] = commands[i].name;
    return nearest_name(name, names, command_count);
}

void command_options(const struct command *command, struct option_table *out)
{
    option_table_add(out, command->options, command->option_count);
    option_table_add_settings(out, command->settings);
    option_table_add_groups(out, command->groups);
}

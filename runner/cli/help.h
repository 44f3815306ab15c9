/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLEANROOM_HELP_H
#define CLEANROOM_HELP_H

#include <stdio.h>

#include "cli/command.h"

/* The default command's help is that of the program. At most 80 columns. */
void help_print(const struct command *command, FILE *out);

#endif

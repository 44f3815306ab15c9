/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmds.h"

int cmd_version(const struct invocation *inv _unused_, FILE *out, struct error *err _unused_)
{
    fputs("cleanroom " VERSION "\n", out);
    return 0;
}

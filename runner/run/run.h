/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a run: plan -> images -> pods -> phases -> results -> nothing left.
 */
#ifndef CLEANROOM_RUN_H
#define CLEANROOM_RUN_H

#include <stdio.h>

#include "config/settings.h"

struct shell;

/*
 * Runs everything the settings ask for; live lines and the summary go to `out`. Returns the exit
 * code (README's table). *err is set when something other than a test failed; the summary does not
 * repeat it, the caller prints it. Blocks SIGINT, SIGTERM and SIGHUP for the process and takes them
 * by descriptor. shell: somebody who goes inside instead (NULL: nobody): then there is one shard,
 * no report and no summary, and the exit code is his.
 */
int run_execute(const struct settings *settings, struct shell *shell, FILE *out, struct error *err);

#endif

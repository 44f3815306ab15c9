/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a run: plan -> images -> pods -> phases -> results -> nothing left.
 */
#ifndef CLEANROOM_RUN_H
#define CLEANROOM_RUN_H

#include <stdio.h>

#include "config/settings.h"

/*
 * Runs everything the settings ask for; live lines and the summary go to `out`. Returns the exit
 * code (README's table). *err is set when something other than a test failed; the summary does not
 * repeat it, the caller prints it. Blocks SIGINT, SIGTERM and SIGHUP for the process and takes them
 * by descriptor.
 */
int run_execute(const struct settings *settings, FILE *out, struct error *err);

#endif

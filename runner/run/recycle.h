/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removes what runs left behind whose janitor is gone (a machine that lost power, a killed engine).
 */
#ifndef CLEANROOM_RECYCLE_H
#define CLEANROOM_RECYCLE_H

#include <stdbool.h>
#include <stdio.h>

#include "config/settings.h"

struct recycle_options {
    const char *run; /* this run only, alive or not; NULL: every run whose owner is gone */
    bool dry_run;    /* say, do not remove */
};

/* Says on `out` what it removes. Returns the exit code: 0, 3 (engine), 4 (some could not be
   removed). */
int recycle_execute(const struct settings *settings, const struct recycle_options *options,
                    FILE *out, struct error *err);

#endif

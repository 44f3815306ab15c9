/* SPDX-License-Identifier: Apache-2.0 */
/* Who is told how a run ended: the person at the console, the CI that runs us, scripts. */
#ifndef CLEANROOM_TELL_H
#define CLEANROOM_TELL_H

#include "run/run_parts.h"

/* In run.json; before the reports are written. */
void tell_journal(struct run *r);
void tell(struct run *r, int exit_code);

#endif

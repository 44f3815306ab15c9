/* SPDX-License-Identifier: Apache-2.0 */
/* Who is told how a run ended: the person at the console, and the CI that runs us. */
#ifndef CLEANROOM_TELL_H
#define CLEANROOM_TELL_H

#include "run/run_parts.h"

void tell(struct run *r, int exit_code);

#endif

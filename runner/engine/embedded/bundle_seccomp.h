/* SPDX-License-Identifier: Apache-2.0 */
/* The seccomp filter in the words of each runtime. */
#ifndef EMBEDDED_BUNDLE_SECCOMP_H
#define EMBEDDED_BUNDLE_SECCOMP_H

#include <jansson.h>

#include "engine/embedded/seccomp.h"

/* The filter in base64, as crun takes it; release with free(). NULL: see bundle_seccomp(). */
char *bundle_seccomp_text(void);

/* The specification's `linux.seccomp`, for runtimes that make the filter themselves; the caller's.
 */
json_t *bundle_seccomp_json(enum seccomp_machine machine);

/* The machine we are on; -1: none that we know the system calls of. */
int bundle_seccomp_machine(void);

#endif

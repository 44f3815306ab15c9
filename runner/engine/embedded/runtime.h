/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OCI runtime: crun, or runc where only that is.
 */
#ifndef EMBEDDED_RUNTIME_H
#define EMBEDDED_RUNTIME_H

#include <cleanroom/error.h>

/* Its absolute path; release with free(). ERROR_ENGINE when there is none. */
char *runtime_find(struct error *err);

#endif

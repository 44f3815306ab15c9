/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OCI runtime: crun, or runc where only that is.
 */
#ifndef EMBEDDED_RUNTIME_H
#define EMBEDDED_RUNTIME_H

#include <stdbool.h>

#include <cleanroom/error.h>

/* Its absolute path; release with free(). ERROR_ENGINE when there is none. */
char *runtime_find(struct error *err);

/* By its name: or else runc. */
bool runtime_is_crun(const char *path);

/* A copy of it in memory that nobody can write to, to be executed instead. Runtimes that find
   themselves in a file that a container could write to (CVE-2019-5736) make such a copy of
   themselves each time, and begin anew. -1: it cannot be had, use the path. */
int runtime_seal(const char *path);

#endif

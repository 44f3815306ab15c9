/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network namespace that does not hang on a process: bound to a file.
 */
#ifndef EMBEDDED_NETNS_H
#define EMBEDDED_NETNS_H

#include <cleanroom/error.h>

/* Makes one with its loopback up, bound to the new file `path`. home: the namespace of the caller,
   who is back in it afterwards, or ends; -1: it is made by a child. */
int netns_make(const char *path, int home, struct error *err);
void netns_drop(const char *path);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Programs of the host (iptables, newuidmap ...), run to their end. */
#ifndef EMBEDDED_TOOL_H
#define EMBEDDED_TOOL_H

#include <cleanroom/strbuf.h>

/* Runs it with `input` (or nothing) on its standard input and waits for it. Returns its exit code,
   -1 when it did not exit. output, if not NULL, takes the first line of what it said. */
int tool_run(const char *const *argv, const char *input, struct strbuf *output);

#endif

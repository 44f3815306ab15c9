/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last words of a run, as text: what failed and why, what was flaky, one line
 * per shard, what the proof found, one line for all.
 */
#ifndef REPORT_SUMMARY_H
#define REPORT_SUMMARY_H

#include <stdbool.h>

#include <cleanroom/result.h>
#include <cleanroom/strbuf.h>

void summary_write(struct strbuf *out, const struct result *r, const char *results_dir,
                   int exit_code, bool color);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the app left for us: unpacks the archive of PLAN_COLLECT into shard-K/ of the results and
 * reads the JUnit files in it.
 *
 * The archive is fed in pieces as it arrives. Only regular files and directories are written, with
 * safe relative names (libarchive's SECURE flags; no links, no devices, nothing absolute, no "..");
 * bounded: 256 MiB and 10,000 files per shard, the rest is left out and said.
 */
#ifndef CLEANROOM_COLLECT_H
#define CLEANROOM_COLLECT_H

#include <stdbool.h>

#include <cleanroom/result.h>

struct collect;

/* dir: results directory (borrowed). The tar's own first component is replaced by "shard-K". Only
   what is in `allowed` is unpacked: see struct unpack. */
struct collect *collect_new(int dir, int shard, const struct strvec *allowed);
/* Of a directory of the app's own: only files that match (struct unpack), into `place` below
   shard-K. */
struct collect *collect_new_reports(int dir, int shard, const char *place, const char *pattern);
/* The raw bytes go to an unlinked temporary file first (bounded as above plus overhead). */
void collect_feed(struct collect *c, const void *bytes, size_t len);
/* Unpacks, then appends the cases of every *.xml below xml/ and outputs/ that is JUnit to
   suite. Two files with the same (classname, name): both are kept, the second name made unique by
   its file. *acknowledged tells whether the shard status file was there (the runner saw that it
   was sharded). A file that is not readable JUnit is a property "unread report", not a failure. */
int collect_finish(struct collect *c, struct result_suite *suite, bool *acknowledged,
                   struct error *err);
/* Whether there was a report, be there a case in it or not. */
bool collect_reported(const struct collect *c);
void collect_free(struct collect *c);

#endif

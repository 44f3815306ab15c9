/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests, and the satellite's sinks, left is fetched in COLLECT. */
#ifndef CLEANROOM_SHARD_COLLECT_H
#define CLEANROOM_SHARD_COLLECT_H

#include "run/shard.h"

/* Whether the satellite serves something whose files are wanted. */
bool shard_has_sinks(const struct shard *s);

void shard_enter_collect(struct shard *s);
/* s->flushed has become true. */
void shard_collect_if_flushed(struct shard *s);

/* TEST: what the last round left, into s->collect. */
void shard_fetch_round(struct shard *s, engine_done_fn done);

/* And from the app's own container what the settings name: false when there is no such thing, or it
   has been fetched already. */
bool shard_fetch_reports(struct shard *s, engine_done_fn done);

/* shard_report(), if that has not been yet. */
void shard_report_once(struct shard *s);

#endif

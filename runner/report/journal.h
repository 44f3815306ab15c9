/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.json: what became of shards and tests, every state change of a run and its time; and the
 * files of the results directory.
 *
 * The directory holds junit.xml, run.json, shard-K/app.log, shard-K/<service>.log (of what
 * all shards share: commons/<service>.log) and what was
 * collected from the app (shard-K/xml/, shard-K/outputs/). run.json is written as
 * {"run": ..., "events": [...]} by temporary file and rename at the end, and at the start with
 * "finished": false, like junit.xml.
 */
#ifndef CLEANROOM_JOURNAL_H
#define CLEANROOM_JOURNAL_H

#include <stdbool.h>

#include <cleanroom/clock.h>
#include <cleanroom/error.h>
#include <cleanroom/result.h>
#include <cleanroom/vec.h>

/* Makes DIR (with parents), and empties what an earlier run left there: junit.xml, run.json,
   janitor.log, seed/, bake/, commons/ and shard-N/ directories, nothing else. Refuses a DIR that
   holds other things and no run.json of ours ("not empty and not ours"). Returns an open
   O_DIRECTORY|O_CLOEXEC descriptor. */
int results_open(const char *dir, struct error *err);
/* The same when files are read that may be below DIR: what holds them is neither foreign nor
   emptied. DIR/junit.xml cannot be one of them. */
int results_open_beside(const char *dir, const struct strvec *inputs, struct error *err);

/* Opens (creates, truncates) "shard-K/NAME" for writing; bytes are appended with write(2) as they
   come. Returns the descriptor. K = 0: in the directory itself; or one of these. */
enum {
    RESULTS_SEED = -1,    /* "seed/NAME" */
    RESULTS_BAKE = -2,    /* "bake/NAME" */
    RESULTS_COMMONS = -3, /* "commons/NAME" */
};
/* "seed", "bake", "commons". */
const char *results_place(int place);
int results_create(int dir, int shard, const char *name, struct error *err);
/* The directory alone: "shard-K". */
enum { RESULTS_NAME = 32 };
void results_name(int shard, char name[RESULTS_NAME]);

struct journal;

struct journal *journal_new(int dir, const char *run_id);
/* Accepts NULL. */
void journal_free(struct journal *j);

/* A top-level fact: "image" -> "myapp@sha256:...". Replaces. */
void journal_fact(struct journal *j, const char *key, const char *value);
/* What there is to say of the tests and shards of a run that has ended (report/facts.h). */
void journal_result(struct journal *j, const struct result *r, const int *codes);
/* subject: "run", "shard 2", "shard 2 postgres"; detail or NULL. The time is now. */
void journal_state(struct journal *j, const char *subject, const char *state, const char *detail);
/* Writes run.json. */
int journal_write(struct journal *j, bool finished, int exit_code, struct error *err);

#endif

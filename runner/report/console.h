/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person sees while the run goes on and when it is over, on standard output.
 *
 * Lines of different shards never mix within a line; every live line carries its shard.
 */
#ifndef CLEANROOM_CONSOLE_H
#define CLEANROOM_CONSOLE_H

#include <stdbool.h>
#include <stdio.h>

#include <cleanroom/engine.h>
#include <cleanroom/result.h>

struct console;

struct console_options {
    FILE *out;
    int shards;
    bool color;
    bool quiet; /* no live lines of the app, only ours */
};

struct console *console_new(const struct console_options *options);
/* Flushes unfinished lines. Accepts NULL. */
void console_free(struct console *c);

/* Our own word: of the run (shard 0) or of a shard. One line, no newline in it. */
void console_say(struct console *c, int shard, const char *fmt, ...) _printf_(3, 4);
/* Bytes the app of a shard (0: its deploy for all shards) wrote, as they come; shown line by line
   ("[2] text", "[*] text"), an unfinished line
   at console_end_stream() at the latest. Lines longer than 8 KiB are broken. A run of app lines
   ends with colours reset. */
void console_output(struct console *c, int shard, enum output_stream stream, const void *bytes,
                    size_t len);
void console_end_stream(struct console *c, int shard);
/* Its terminal is raw: a line's end does not return to the left by itself. */
void console_set_raw(struct console *c, bool raw);
/* A transient status (pull progress): replaced in place on a terminal; elsewhere shown at most
   once per 5 s. NULL removes it. */
void console_status(struct console *c, const char *text);

/* The end: failures first (case, message, last lines of its log, the command that replays them),
   then what was flaky, one line per shard, what the proof found, remarks, and
   "4 shards: 3 passed, 1 failed in 5.2s; 120 tests ...; report: cleanroom-results/junit.xml". */
void console_summary(struct console *c, const struct result *r, const char *results_dir,
                     int exit_code);

/* Words for the CI that runs us, after the summary: nothing else can reach it as a command. */
void console_command(struct console *c, const char *bytes, size_t len);

#endif

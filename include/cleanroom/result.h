/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The result model: what happened, before anybody writes it down.
 *
 * A run has one suite per shard; a suite has cases: its phases (services, deploy, test), and the
 * app's own test cases where the app reported them. Bodies in runner/report/.
 */
#ifndef CLEANROOM_RESULT_H
#define CLEANROOM_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cleanroom/clock.h>
#include <cleanroom/error.h>
#include <cleanroom/vec.h>

enum case_status {
    CASE_PASSED,
    CASE_FAILED, /* a test said no */
    CASE_ERROR,  /* it could not be run or did not end by itself */
    CASE_SKIPPED,
};

/* What another run of the same test said (--retries): of one that passed in the end, a run before
   that failed; of one that never did, a later run. */
struct result_rerun {
    enum case_status status;
    nsec_t duration;
    bool fresh;                           /* in a world of its own, with fresh services */
    char *message, *type, *text, *output; /* as in result_case */
};

struct result_case {
    char *name;
    char *classname;
    enum case_status status;
    nsec_t duration;
    char *message; /* one line, or NULL */
    char *type;    /* exception or failure type, or NULL */
    char *text;    /* stack trace, log tail; raw bytes as they came, or NULL */
    char *output;  /* the case's own standard output, or NULL */
    char *file;    /* as its runner named it, or NULL */
    long line;     /* there, from 1; 0: not known */
    bool fresh;    /* what stands here is of a run in a world of its own (--retries) */
    VEC(struct result_rerun) reruns;
    size_t runs,
        bad_runs; /* --repeat: how often it ran, and did not pass; 0: it was not repeated */
};

/* Leaves it empty. */
void result_case_deinit(struct result_case *c);

/* Failed at first and passed later. */
bool result_case_is_flaky(const struct result_case *c);

/*
 * Bounded memory of an output stream: its first `head_max` and last `tail_max` bytes and how many
 * there were. text() joins them with a line "... N bytes left out ..." when some were dropped.
 */
struct capture {
    char *head, *tail;
    size_t head_len, head_max;
    size_t tail_len, tail_max; /* tail is a ring */
    size_t tail_pos;
    uint64_t total;
};
/* Memory is taken when the first bytes arrive. */
void capture_init(struct capture *c, size_t head_max, size_t tail_max);
void capture_deinit(struct capture *c);
void capture_add(struct capture *c, const void *bytes, size_t len);
/* NUL-terminated (the stream's own NULs are kept; *len tells); release with free(). */
char *capture_text(const struct capture *c, size_t *len);
/* The last `lines` lines, at most `max` bytes; release with free(). */
char *capture_last_lines(const struct capture *c, size_t lines, size_t max);

struct result_suite {
    char *name;     /* "shard 1 of 4" */
    int shard;      /* 1-based */
    char *hostname; /* of the machine it ran on; NULL: the run's */
    nsec_t started_wall;
    nsec_t duration;
    char *replay;             /* the command that runs just this again, or NULL */
    struct strvec properties; /* "key=value" */
    VEC(struct result_case) cases;
    struct capture out, err; /* the app's standard output and error */
};

/* What the proof (runner/split/proof.h) found: different tests. */
struct result_tally {
    bool known;
    bool was_planned; /* there was a list: `planned` and `never` mean something */
    bool complete;    /* every shard ended by itself: the numbers say something of the suite */
    size_t planned, ran, skipped;
    size_t doubled; /* ran in more than one shard */
    size_t never;   /* planned, and in no report */
};

struct result {
    char *run_id;
    char *name;     /* application id */
    char *hostname; /* this machine's */
    nsec_t started_wall;
    nsec_t duration;
    bool finished; /* false: the report says "started, not finished" and counts as an error */
    struct strvec properties; /* "key=value", of the run as a whole; reports say "run.key" */
    struct strvec remarks;    /* sentences for the summary: what is no error, but worth a word */
    struct result_tally tally;
    VEC(struct result_suite) suites;
};

/* Sets the hostname too. */
void result_init(struct result *r, const char *run_id, const char *name);
void result_deinit(struct result *r);
/* shard 0: what belongs to the run as a whole, a suite named "cleanroom". The pointer is valid
   until the next add. */
struct result_suite *result_add_suite(struct result *r, int shard, int shards);
void result_remove_suite(struct result *r, size_t i);
/* Copies name and classname. The pointer is valid until the next add. */
struct result_case *result_add_case(struct result_suite *s, const char *classname, const char *name,
                                    enum case_status status, nsec_t duration);

/* The class of a shard's phase cases; "cleanroom" is that of the run's own. Everything else is the
   app's. */
#define RESULT_PHASE_CLASS "cleanroom.shard-%d"
bool result_case_is_phase(const struct result_case *c);

/*
 * To be called once when all shards have ended. A test that a shard reports as skipped because
 * another shard ran it is an echo: it is taken out, so that every test of the app is there once. A
 * test that nobody ran stays skipped, once. The message of a repeated test that failed says how
 * often.
 */
void result_settle(struct result *r);

/* Takes all cases but the first `count` out again. */
void result_suite_truncate(struct result_suite *s, size_t count);
void result_suite_deinit(struct result_suite *s);

struct result_counts {
    size_t tests, failures, errors, skipped;
};
void result_suite_count(const struct result_suite *s, struct result_counts *counts);
/* Failures and errors together. */
size_t result_suite_bad(const struct result_suite *s);

/*
 * Takes what another run of the same test said (--retries): `again` is empty afterwards.
 *
 * Failed and then passed, or the other way round, is flaky: it has passed, and what failed is in
 * reruns. What fails again and again keeps its first failure, the later ones are in reruns. A run
 * that was skipped says nothing of one that was not.
 */
void result_case_add_rerun(struct result_case *c, struct result_case *again, bool fresh);

struct result_merged {
    size_t met;       /* tests of `again` that the suite had */
    size_t added;     /* and that it had not */
    size_t recovered; /* of those it had: have failed, and passed now */
    size_t bad;       /* of `again`: failed, or in error */
};
/* Each test of `again` by its class and name; of several with the same, the first meets the first.
   Phases stay in `again`, nothing else does. */
struct result_merged result_merge_reruns(struct result_suite *suite, struct result_suite *again,
                                         bool fresh);
/* --repeat: the worst run stands, counted in runs and bad_runs; result_settle() puts "failed in 2
   of 10 runs" into the message. Needs no more memory for more runs. */
struct result_merged result_merge_repeat(struct result_suite *suite, struct result_suite *again);

#endif

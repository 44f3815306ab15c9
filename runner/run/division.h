/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tests each shard runs: one division for the run, of which shards take their parts.
 *
 * Where the tests are to be listed, the first shard that could test lists them; the others wait
 * (division_wait()). What is given (--plan, replay) needs no list.
 */
#ifndef CLEANROOM_DIVISION_H
#define CLEANROOM_DIVISION_H

#include <cleanroom/loop.h>

#include "config/plan.h"
#include "split/method.h"
#include "split/queue.h"

enum division_state {
    DIVISION_UNLISTED,
    DIVISION_LISTING, /* a shard is at it */
    DIVISION_READY,
    DIVISION_ENDED, /* nobody gets anything any more: the list failed, --fail-fast */
};

/* Tests that are run by one call of `test`, as the runner wants them to be named. */
struct part {
    bool whole; /* what the shard's variables say: no names */
    struct strvec names;
};
void part_deinit(struct part *p);
void part_copy(struct part *to, const struct part *from);

/* Who waits for the list. Zeroed before its first use. */
struct division_ticket {
    struct division_ticket *next;
    void (*fn)(void *data);
    void *data;
    bool waits;
};

struct division {
    const struct plan *plan;
    struct method method;
    enum division_state state;
    struct test_list list;
    struct timings timings;
    bool remembers;           /* they are written back */
    size_t given;             /* replay: of settings.given, how many have been handed out */
    struct units units, mine; /* mine: those of this machine, for its queue */
    int *shard_of;            /* of units, from 0; a queue's may go to any of this machine's */
    int *slice_of;            /* the same of slices, for a queue's */
    struct queue queue;
    uint64_t seed;
    bool *served; /* by shard: has taken the one part there was for it */
    struct division_ticket *waiting;
    char *why;     /* ENDED: or NULL */
    char *plan_id; /* of the plan that was given, or NULL */
};

/* Reads list-file and timings. Bad ones are ERROR_CONFIG; nothing was begun then. */
int division_init(struct division *d, const struct plan *plan, struct error *err);
void division_deinit(struct division *d);

/* Calls fn(data) as soon as there are parts, or when it is the caller's turn to list. */
void division_wait(struct division *d, struct division_ticket *ticket, void (*fn)(void *data),
                   void *data);
void division_leave(struct division *d, struct division_ticket *ticket);

/* The caller is about to list. */
void division_list(struct division *d);
/* What prints the list, after `test` or in place of all (method.by_files). */
void division_list_words(const struct division *d, struct strvec *words);
/* It was printed. */
int division_listed(struct division *d, char *text, size_t len, struct error *err);
/* Whoever was listing could not finish: the next one may. */
void division_unlisted(struct division *d);
/* From now on there are no parts; why: of the first call. */
void division_end(struct division *d, const char *why);

/* The next part for a shard (1-based), to be released with part_deinit(). False: there is none. */
bool division_next(struct division *d, int shard, struct part *part);
/* How long the tests of its last part took, as they say: a queue wants to know. */
void division_spent(struct division *d, int shard, nsec_t spent);
/* Whether it may get another one. */
bool division_has_more(const struct division *d);

/* The tests of the list that were to run on this machine; what is in it is borrowed. False: nobody
   knows. */
bool division_planned(const struct division *d, struct test_list *mine);

/* The words by which `test` runs a part. report: where its runner is to write; file: the path of
   the file with the names. */
int division_words(const struct division *d, const struct part *part, int shard, const char *report,
                   const char *file, struct strvec *words, struct error *err);
/* The content of that file; release with free(). */
char *division_file(const struct division *d, const struct part *part);

/* The names of the cases that failed, as parts have them, appended. False: not all have one. */
bool division_failed(const struct division *d, const struct result_suite *suite,
                     struct strvec *names);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shard: a private world with one network namespace, from its holder to its last volume.
 *
 * QUEUED -> HOLDER -> SERVICES -> DEPLOY -> KEEP or TEST -> COLLECT -> TEARDOWN -> DONE. States
 * only move right; what goes wrong before TEARDOWN leads into it; TEARDOWN takes every event and
 * always ends.
 *
 * Three kinds of worlds are no shards, but live in the same way: one in which services are
 * initialised (BAKE), and one that is deployed to once (SEED); they end in KEEP, where their
 * services are stopped and become images. And that of what all shards share (COMMONS, commons.h).
 */
#ifndef CLEANROOM_SHARD_H
#define CLEANROOM_SHARD_H

#include <cleanroom/reader.h>

#include "report/collect.h"
#include "run/container.h"
#include "run/division.h"
#include "run/keep.h"
#include "run/sign.h"
#include "run/volume.h"

enum shard_kind {
    SHARD_TESTS,
    SHARD_BAKE,
    SHARD_SEED,
    SHARD_COMMONS,
};

enum shard_state {
    SHARD_QUEUED,
    SHARD_HOLDER,   /* volumes, and the container that holds the namespace */
    SHARD_SERVICES, /* until every service says that it is ready */
    SHARD_DEPLOY,
    SHARD_KEEP,  /* not of tests: services are stopped and kept */
    SHARD_SHARE, /* of the commons: until no shard needs them */
    SHARD_TEST,
    SHARD_COLLECT, /* fetch what the tests left in PLAN_COLLECT; of a deploy what it sent */
    SHARD_KEPT,    /* its services stay up, for somebody who comes and looks */
    SHARD_TEARDOWN,
    SHARD_DONE,
};

enum { SHARD_VOLUMES = 3 };

/* By which name the satellite speaks of the app's own port. */
#define SHARD_SITE "."

struct shard_service {
    const struct plan_service *plan;
    bool off;    /* not started in this world */
    bool sink;   /* served by the satellite: it has no container */
    bool shared; /* it runs in the commons, and ready means that it has our namespace */
    bool anew;   /* its snapshot was removed when it was about to be started from it */
    struct service_plan spec; /* by which it is started: from nothing, or from a copy */
    const char *image;        /* id of the image that goes with it; borrowed */
    struct container container;
    struct keep keep;
    struct sign sign;    /* if it is by one that it says it is ready */
    struct strbuf files; /* of its container, as an archive */
    struct capture log;
    int log_fd;
    bool ready;
    nsec_t ready_at; /* clock_now() */
    char *reason;    /* why it was not ready when last asked, or NULL */
};

/* A phase of the app. */
struct shard_phase {
    const char *name; /* "deploy", "test" */
    struct container container;
    bool begun;
    bool timed_out;
    bool ended; /* by itself, and that is: */
    int exit_code;
    char *verdict;
    nsec_t took; /* of all rounds */
};

enum round_step {
    ROUND_NONE,
    ROUND_WAITING, /* for the list */
    ROUND_LISTING,
    ROUND_RUNNING,
    ROUND_CLEANING, /* what it left is fetched and put aside, its container removed */
};

enum round_kind {
    ROUND_PART,   /* tests that have not run yet */
    ROUND_REPEAT, /* the same once more */
    ROUND_RETRY,  /* those that failed */
};

/* See shard_rounds.h. */
struct shard_rounds {
    enum round_step step;
    enum round_kind kind;
    struct part part;        /* what runs */
    VEC(struct part) parts;  /* what has run so far, in this order */
    size_t repeated;         /* of them, in this pass */
    int pass;                /* 1-based: the first is not a repetition */
    struct part failed;      /* what is to be tried again */
    int tries;               /* so far */
    int count;               /* rounds begun in this world */
    int number;              /* in all worlds */
    bool prepared;           /* the container of the first one is made */
    bool untaken;            /* what the last one left has not been looked at */
    bool ended, exit_failed; /* the last one: by itself, with an exit code */
    bool unexplained;        /* one failed, and no case says why */
    char *recovered;         /* and what its end was, when a later try passed; or NULL */
    struct division_ticket ticket;
    struct strbuf listed[3]; /* what the list prints, by enum output_stream */
    struct reader *readers[3];
    struct strvec env;
    struct strbuf files;
    struct engine_op *empty;
    bool clearing; /* what was fetched is being put aside */
    struct result_suite found;
    bool reported; /* there was a report, or an output that a reader knows */
    long said;     /* tests, in the runner's words; -1: it does not say */
    size_t extras;
};

/* One of the volumes being filled with what deploy left. */
struct shard_fill {
    struct shard *shard;
    struct engine_op *op;
};

struct shard {
    struct run_context *ctx;
    enum shard_kind kind;
    const struct plan_shard *plan;
    int number; /* 1-based, or CONTEXT_SEED, CONTEXT_BAKE, CONTEXT_COMMONS */
    enum shard_state state;
    void (*on_done)(void *data, struct shard *s);
    /* COMMONS: this service is ready; NULL: its volume is there, or (TEARDOWN) it ends. */
    void (*on_step)(void *data, struct shard *s, struct shard_service *service);
    void *data;

    struct gate_ticket ticket; /* from its turn to come up until its services are ready */
    struct volume volumes[SHARD_VOLUMES];
    size_t volume_count;
    struct container holder;
    struct strbuf holder_line; /* unfinished line of the satellite */
    bool up;                   /* the satellite has made the directories */
    struct engine_op *flush;   /* the satellite is being asked to write what it has got */
    bool flushed;              /* and it has */
    bool fetching_program;     /* what the satellite had has come, now what the program left */
    struct shard_service *services;
    size_t service_count;
    struct shard_phase deploy, test;
    struct shard_rounds rounds; /* of test */
    bool wants_fresh;           /* what failed is to be tried in another world */
    int worlds;                 /* before this one */
    char *abandoned;            /* why nobody wants it to go on, or NULL */
    struct container inside;    /* KEPT: of who came, one at a time */
    struct shell *visitor;      /* or NULL */
    void (*on_inside)(void *data, struct container *c);
    void *inside_data;
    struct capture out, err; /* of both phases */
    int log_fd;              /* app.log */
    struct collect *collect;
    struct collect *reports; /* what settings.reports names */
    struct engine_op *archive;
    int archive_tar, archive_fd; /* SEED: which volume is being kept, and where; -1 */
    uint64_t archive_len;
    struct shard_fill fills[DEPLOY_TARS];
    struct error collect_error; /* why the app's own results are not complete */
    struct loop_timer deadline;
    nsec_t start_by;    /* clock_now() by which all services have to be ready */
    nsec_t teardown_by; /* and by which everything has to be gone */

    nsec_t started_at, started_wall;
    nsec_t first_started_wall; /* of the first of its worlds, or 0 */
    struct error error;        /* why it ended early: the first reason */
    bool failed;               /* deploy or tests said no */
    bool acknowledged;         /* the app's runner touched the shard status file */
    bool left;                 /* something could not be removed */
    bool reported, kept;
};

/* plan's shard of that number (the seed for the two that are none). */
void shard_init(struct shard *s, struct run_context *ctx, int number,
                void (*on_done)(void *data, struct shard *s), void *data);
/* When DONE or never begun, or when the engine is freed. */
void shard_deinit(struct shard *s);

/* It comes up when it is its turn at the gate of pods. */
void shard_begin(struct shard *s);
/* Tears it down because of err (copied), from any state. A QUEUED one is DONE at once. */
void shard_stop(struct shard *s, const struct error *err);
/* A container died, by the engine's event; not ours: ignored. Returns whether it was ours. */
bool shard_container_died(struct shard *s, const char *name);
/* Events may have been lost: looks at everything that runs. */
void shard_recheck(struct shard *s);

/* KEPT: a further container of the app, for `visitor`; changed(data, c) hears of all its stages,
   the last is GONE. False: there is somebody. */
bool shard_let_in(struct shard *s, struct shell *visitor,
                  void (*changed)(void *data, struct container *c), void *data);
void shard_put_out(struct shard *s);

/* Its namespace in a shared service is there. */
void shard_has_shared(struct shard *s, size_t service);

/* For the parts of the shard in other files. */
/* Why it was not ready when last asked, or NULL. */
static inline const char *shard_service_reason(const struct shard_service *service)
{
    return service->sign.reason ? service->sign.reason : service->reason;
}

/* Whether it runs in a container of this world. */
static inline bool shard_service_runs(const struct shard_service *service)
{
    return !service->off && !service->sink && !service->shared;
}

/* The one whose container it is: of the commons when it is shared. */
const struct shard_service *shard_server(const struct shard *s, size_t service);
void shard_fail(struct shard *s, enum error_kind kind, const char *fmt, ...) _printf_(3, 4);
/* As whom the console shows it: its number, or 0. */
int shard_voice(const struct shard *s);
void shard_set_state(struct shard *s, enum shard_state state);
/* -1 when the disk is full: the run goes on without that log. */
int shard_open_log(struct shard *s, const char *name);
/* Ends it before its time, which is not its fault: what has run so far counts. */
void shard_abandon(struct shard *s, const char *why);
/* DONE with wants_fresh: QUEUED again, in another world. */
void shard_renew(struct shard *s);

/* TEARDOWN: something that was waited for has ended. */
void shard_teardown_goes_on(struct shard *s);
/* SERVICES: the same. */
void shard_go_on_if_ready(struct shard *s);

/* runner/run/shard_report.c: fills the shard's suite from what happened; once, at TEARDOWN. */
void shard_report(struct shard *s);

#endif

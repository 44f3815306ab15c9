/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shard: a private world with one network namespace, from its holder to its last volume.
 *
 * QUEUED -> HOLDER -> SERVICES -> DEPLOY -> TEST -> COLLECT -> TEARDOWN -> DONE. States only move
 * right; what goes wrong before TEARDOWN leads into it; TEARDOWN takes every event and always ends.
 */
#ifndef CLEANROOM_SHARD_H
#define CLEANROOM_SHARD_H

#include "report/collect.h"
#include "run/container.h"
#include "run/volume.h"

enum shard_state {
    SHARD_QUEUED,
    SHARD_HOLDER,   /* volumes, and the container that holds the namespace */
    SHARD_SERVICES, /* until every service says that it is ready */
    SHARD_DEPLOY,
    SHARD_TEST,
    SHARD_COLLECT, /* fetch what the tests left in PLAN_COLLECT */
    SHARD_TEARDOWN,
    SHARD_DONE,
};

enum { SHARD_VOLUMES = 3 };

struct shard_service {
    const struct plan_service *plan;
    struct container container;
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
};

struct shard {
    struct run_context *ctx;
    const struct plan_shard *plan;
    int number; /* 1-based */
    enum shard_state state;
    void (*on_done)(void *data, struct shard *s);
    void *data;

    struct gate_ticket ticket; /* from its turn to come up until its services are ready */
    struct volume volumes[SHARD_VOLUMES];
    struct container holder;
    struct strbuf holder_line; /* unfinished line of the satellite */
    bool up;                   /* the satellite has made the directories */
    struct shard_service *services;
    size_t service_count;
    struct shard_phase deploy, test;
    struct capture out, err; /* of both phases */
    int log_fd;              /* app.log */
    struct collect *collect;
    struct engine_op *archive;
    struct error collect_error; /* why the app's own results are not complete */
    struct loop_timer deadline;
    nsec_t start_by;    /* clock_now() by which all services have to be ready */
    nsec_t teardown_by; /* and by which everything has to be gone */

    nsec_t started_at, started_wall;
    struct error error; /* why it ended early: the first reason */
    bool failed;        /* deploy or tests said no */
    bool acknowledged;  /* the app's runner touched the shard status file */
    bool left;          /* something could not be removed */
};

/* plan's shard of that number. */
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

/* runner/run/shard_report.c: fills the shard's suite from what happened; once, at TEARDOWN. */
void shard_report(struct shard *s);

#endif

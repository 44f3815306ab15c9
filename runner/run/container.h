/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One container of a shard, from its create call to its confirmed removal.
 *
 * PLANNED -> CREATING -> CREATED -> STARTING -> RUNNING -> EXITED -> REMOVING -> GONE, states only
 * move right. Anything that fails before EXITED goes to FAILED, from where only removal leads on.
 * Output is attached before the start, so that not a byte is missed; EXITED means that both the
 * exit code is known and the output was delivered to its end.
 */
#ifndef CLEANROOM_CONTAINER_H
#define CLEANROOM_CONTAINER_H

#include "run/context.h"
#include "run/removal.h"

enum container_stage {
    CONTAINER_PLANNED,
    CONTAINER_CREATING,
    CONTAINER_CREATED, /* output attached, may be started */
    CONTAINER_QUEUED,  /* waits at the gate */
    CONTAINER_STARTING,
    CONTAINER_RUNNING,
    CONTAINER_EXITED, /* exit code known and output complete */
    CONTAINER_FAILED, /* see error */
    CONTAINER_REMOVING,
    CONTAINER_GONE,
};

struct container;
/* Called from the loop on every change of stage. Must not free the container before GONE. */
typedef void (*container_change_fn)(void *data, struct container *c);

struct container {
    struct run_context *ctx;
    int shard;
    char *name;       /* in the engine */
    const char *role; /* borrowed: "holder", a service's name, "deploy", "test" */
    enum container_stage stage;
    container_change_fn on_change;
    engine_output_fn on_output; /* gets all output too; NULL = nobody */
    void *output_data;          /* on_output's own, or NULL */
    const struct strbuf *files; /* a tar archive put into it before it starts, or NULL; borrowed */
    /* Its image is not there: calls container_create_again() with another one, or returns false,
       and it has failed. NULL: the same. */
    bool (*on_no_image)(void *data, struct container *c);
    void *data;        /* of the others */
    struct gate *gate; /* where it waits for its start: ctx->starts, or changed before */

    int log_fd;              /* all output goes here; -1 = nowhere; borrowed */
    struct capture *sink[3]; /* by enum output_stream, or NULL; borrowed */

    nsec_t started_at, exited_at; /* clock_now() */
    int exit_code;
    bool oom_killed;
    struct error error; /* FAILED: why */
    bool left;          /* GONE: but it could not be removed */

    /* private */
    struct engine_op *op, *attach, *inspect;
    struct gate_ticket ticket;
    struct removal removal;
    struct loop_timer drain;
    bool start_wanted, remove_wanted, died, stream_ended, exit_known;
    bool look_again; /* something happened while it was being inspected */
    int looks;       /* inspections that failed in a row */
    nsec_t remove_deadline;
};

/* role is borrowed for the container's life. */
void container_init(struct container *c, struct run_context *ctx, int shard, const char *role,
                    container_change_fn on_change, void *data);
/* When GONE or never begun, or when its engine is freed. */
void container_deinit(struct container *c);

/* spec: name and labels are filled in here. */
void container_create(struct container *c, struct container_spec *spec);
void container_create_again(struct container *c, struct container_spec *spec);
/* As soon as it is created and the gate lets it. Once. */
void container_start(struct container *c);
/* The engine's event says that it died; harmless in any stage. */
void container_died(struct container *c);
/* Looks again whether it still runs, after events may have been lost. */
void container_recheck(struct container *c);
/* In any stage; GONE follows, also when it could not be removed (left). */
void container_remove(struct container *c, nsec_t deadline);

/* "exit code 1", "killed by signal 9 (SIGKILL): out of memory"; release with free(). */
char *container_verdict(const struct container *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the keeper: what it keeps. Nobody else includes this.
 */
#ifndef EMBEDDED_KEEP_H
#define EMBEDDED_KEEP_H

#include "engine/embedded/keeper.h"
#include "engine/embedded/message.h"

enum cell_phase {
    CELL_MADE,
    CELL_STARTING, /* the runtime is at work */
    CELL_RUNNING,
    CELL_ENDED,
};

struct cell_volume {
    char *target;
    uint32_t volume;
};

/* A container_spec.ours', until it is started; see own.h. */
struct own {
    char *hostname;
    uint32_t netns; /* n/ID */
    struct strvec argv, env;
    VEC(int) handed; /* descriptors */
};

/* A container. */
struct cell {
    uint32_t id;
    enum cell_phase phase;
    char *name;
    bool mounted;
    bool network;  /* it has a network namespace of its own: n/ID */
    pid_t carrier; /* the process group that carries its connections to the outside, or 0 */
    int out[2];    /* its standard output and error, until it is started */
    int in;        /* its standard input, or where its terminal is sent; the same; or -1 */
    int console;   /* with a terminal: the socket on which the runtime hands it over, or -1 */
    VEC(struct cell_volume) volumes;
    bool limited;
    struct strvec procs;    /* the control groups to join */
    struct own *ours;       /* or NULL */
    pid_t runtime;          /* STARTING */
    uint32_t start_number;  /* STARTING: the request to answer */
    pid_t init;             /* RUNNING */
    uint32_t remove_number; /* being removed: the request to answer, else 0 */
};

/* A child of ours that does what takes long. */
struct job {
    pid_t pid;
    uint32_t number; /* the request to answer with what it says, 0 = none */
    uint32_t cell;   /* 0 = none */
    int result;      /* an answer comes out here */
};

struct stray {
    pid_t pid;
    int code;
    bool filtered;
};

struct keeper {
    const struct keeper_options *options;
    bool user_namespace;
    bool crun; /* or else runc */
    int socket;
    int signals; /* signalfd: a child has ended */
    int store;   /* the store's directory */
    int runtime; /* runtime_seal(), or -1 */
    int netns;   /* where we are at home */
    int pidns;   /* the same */
    const char *dir;
    const char *scratch; /* `dir`, or a directory on disk */
    struct outside outside;
    struct strvec forbidden; /* mounts that the runtime may not write to */
    VEC(struct cell *) cells;
    VEC(struct job) jobs;
    /* First processes that ended before their runtime told us who they are. */
    VEC(struct stray) strays;
    struct strvec groups; /* that were still busy */
    pid_t cleaner;        /* removes t/ */
    uint64_t discarded;   /* how much was ever put there */
    bool trash;           /* something is there, or in groups */
};

/* Answers a request. err is emptied. */
void keeper_answer(struct keeper *k, uint32_t number, enum engine_outcome outcome,
                   struct error *err);
void keeper_tell(struct keeper *k, struct answer *answer);
/* `base`/kind/id, or `base`/kind/id/leaf; release with free(). */
char *keeper_path(const char *base, const char *kind, uint32_t id, const char *leaf);

/* cell.c, cell_start.c: each answers by itself, now or when it is done. fds: its output, error and
   input (or -1), taken over. */
void cell_make(struct keeper *k, uint32_t number, uint32_t id, const struct recipe *recipe,
               const int fds[3]);
void cell_start(struct keeper *k, uint32_t number, struct cell *cell);
/* With what it is about to start; its end is heard of as ever. */
void cell_stop_runtime(const struct cell *cell);
void cell_remove(struct keeper *k, uint32_t number, struct cell *cell);
/* Once its first process has ended. */
void cell_finish_removal(struct keeper *k, struct cell *cell);
void cell_close_streams(struct cell *cell);
/* A child before its exec: system calls only. -1 and errno. */
int cell_join_groups(const struct cell *cell);
struct cell *cell_find(struct keeper *k, uint32_t id);
/* Whether a child of ours that has ended, and is not reaped yet, had a seccomp filter; false also
   when nobody will ask. */
bool cell_had_filter(const struct keeper *k, pid_t pid);
/* It was reaped, and is no job's. filtered: as cell_had_filter() said. */
void cell_reaped(struct keeper *k, pid_t pid, int code, bool filtered);

/* console.c */
/* Where the runtime hands over the terminal that it makes; cell->console. */
int console_listen(struct keeper *k, struct cell *cell, struct error *err);
/* Its path, for the runtime; release with free(). */
char *console_path(const struct keeper *k, const struct cell *cell);
/* Once the runtime has ended: hands it on to main. */
void console_forward(struct cell *cell);

/* job.c */
/* 0 in a child of ours, which must end with job_say(). cell: NULL when it is about none. */
pid_t job_begin(struct keeper *k, uint32_t number, const struct cell *cell, int *report);
/* err: why, with ENGINE_FAILED. */
_Noreturn void job_say(int report, struct answer *answer, const struct error *err);
/* Lets its network namespace out by pasta. */
void job_connect(struct keeper *k, uint32_t number, struct cell *cell);
void job_extract(struct keeper *k, uint32_t number, struct cell *cell, const char *path, int fd);
void job_archive(struct keeper *k, uint32_t number, struct cell *cell, const char *path, int fd);
void job_commit(struct keeper *k, struct cell *cell, const struct request *request);
void job_import(struct keeper *k, const struct request *request, int file);
/* exec.c */
void job_exec(struct keeper *k, const struct request *request, struct cell *cell);
bool job_reaped(struct keeper *k, pid_t pid);
/* Their answers will say that it was removed meanwhile. */
void job_kill_all_of(struct keeper *k, uint32_t cell);
/* Puts a directory out of the way, and removes it some time. */
void job_discard(struct keeper *k, const char *path);
void job_clean(struct keeper *k);

#endif

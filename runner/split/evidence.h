/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the proof is made of: the cases of all shards by their keys, beside those of the plan. Only
 * proof.c and evidence.c include this.
 */
#ifndef SPLIT_EVIDENCE_H
#define SPLIT_EVIDENCE_H

#include "split/proof.h"

/* One case of one shard. */
struct seen {
    char *key;
    size_t suite;
    bool ran;
    bool judged; /* it passed or failed */
};

/* A test that was reported, however often. */
struct heard {
    char *key;     /* borrowed from the first struct seen */
    size_t shards; /* in which it ran */
    size_t count;  /* the most that one shard reported under this key */
    bool ran, judged;
    bool planned;
    bool alone; /* the only one of the plan with this key */
};

/* A key of the plan. */
struct wanted {
    char *key;
    const char *id;
    bool found;
};

struct evidence {
    enum naming naming;
    VEC(struct seen) seen;   /* sorted by key and suite */
    VEC(struct heard) heard; /* sorted by key */
    VEC(struct wanted) plan; /* sorted by key */
    size_t *ran_in;          /* per suite: how many keys ran */
    size_t suites, busy;     /* busy: of them ran a test */
    size_t common;           /* keys that ran in each of the busy ones */
    bool judged;             /* one of the common ones passed or failed */
    size_t cases;            /* that were reported */
    size_t nameless;         /* of them */
    size_t strangers;        /* of them not planned */
};

#define _cleanup_evidence_ _cleanup_(evidence_deinit)

void evidence_gather(struct evidence *e, const struct proof_question *q);
void evidence_deinit(struct evidence *e);

#endif

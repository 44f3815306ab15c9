/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proof that every test ran exactly once, made of what the shards reported.
 *
 * To be called when all have ended, after result_settle(). Phases are no tests. A test that its
 * shard reports as skipped was seen, but did not run.
 *
 * No false accusation: a test of the plan that no report names is missing only as far as it cannot
 * be one of the reported tests that the plan does not name. Where names say nothing, numbers are
 * compared, and a remark tells so.
 */
#ifndef SPLIT_PROOF_H
#define SPLIT_PROOF_H

#include "split/presets.h"

#define PROOF_NAMES_MAX   20
#define PROOF_EXPECT_NONE (-1)

struct proof_question {
    const struct result *result;
    const struct test_list *planned; /* the list that was cut; NULL: none was */
    bool files; /* it is one of files that nobody looked into: they may be without tests */
    const struct preset *preset; /* NULL: the runner is not known */
    long expect;                 /* --expect, or PROOF_EXPECT_NONE */
    bool reported; /* there was a report; without one a shard's phase is its only case */
    const long
        *said; /* what the runner of suite i said it would run, -1: nothing; NULL: none did */
};

struct proof {
    size_t planned;
    size_t ran;     /* different tests */
    size_t skipped; /* different tests that were seen, and did not run in any shard */
    size_t doubled; /* in more than one shard */
    size_t never;   /* of the plan, in no report */
    bool named;     /* the plan's names were found in the reports: doubled and never are certain */
    struct strvec doubled_names, never_names; /* the first PROOF_NAMES_MAX */
    struct strvec errors;                     /* sentences; with one, the run is red */
    struct strvec remarks;                    /* sentences */
};

/* How the tests of the reports are named: by the preset, or as most of the plan is found in them.
 */
enum naming proof_naming(const struct proof_question *q);

#define _cleanup_proof_ _cleanup_(proof_deinit)

void proof_make(struct proof *p, const struct proof_question *q);
void proof_deinit(struct proof *p);

#endif

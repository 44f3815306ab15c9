/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine in memory, to torture the run with: its k-th operation fails, hangs, or has its effect
 * and fails all the same. Not a stand-in for the real one, which tests/live uses: it exists for
 * what cannot be asked of a real one.
 *
 * Holders behave as the satellite: they say "up", and "ready" of each service that is started
 * but of "asked", whose words end with 0 after `not_yet` others, and "heard", which says "I am up".
 * Other containers run until they are removed; "deploy" and "test" exit with `app_exit`, and
 * "shell" does at the end of its input, which is an 'x'.
 */
#ifndef TESTS_FAKE_ENGINE_H
#define TESTS_FAKE_ENGINE_H

#include <cleanroom/engine.h>

enum fake_fault {
    FAULT_NONE,
    FAULT_FAIL,   /* no effect, ENGINE_FAILED */
    FAULT_LATE,   /* has its effect, ENGINE_FAILED */
    FAULT_HANG,   /* no answer until cancelled or its deadline passes */
    FAULT_SIGNAL, /* works, and sends us SIGINT */
};

struct fake_options {
    size_t fault_at; /* number of the operation, from 1; 0 = none */
    enum fake_fault fault;
    int app_exit;
    int not_yet;
};

struct engine *fake_engine_new(struct loop *loop, const struct fake_options *options);
/* The engine's state when it was freed. */
extern size_t fake_engine_last_count, fake_engine_last_ops;
extern const char *fake_engine_last_faulted; /* name of the operation that had the fault */

#endif

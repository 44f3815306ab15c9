/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child process that is told one thing and answers one thing, watched by the loop.
 */
#ifndef DOCKER_HELPER_H
#define DOCKER_HELPER_H

#include <cleanroom/clock.h>
#include <cleanroom/error.h>
#include <cleanroom/loop.h>

enum {
    HELPER_TIMEOUT = -1, /* as status: its deadline passed and it was killed */
};

/* status: as a shell gives it (128+n: by signal n), or HELPER_TIMEOUT. output: at most 64 KiB. */
typedef void (*helper_fn)(void *data, int status, const char *output, size_t len);

struct helper;
/* Runs argv (found by PATH, no shell) with `input` (at most 4 KiB) as its standard input. Calls fn
   once, from the loop, then frees itself. NULL when it cannot be run. */
struct helper *helper_new(struct loop *loop, const char *const *argv, const char *input,
                          nsec_t deadline, helper_fn fn, void *data, struct error *err);
/* Kills it; fn is not called. Accepts NULL. */
void helper_cancel(struct helper *helper);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Somebody inside: a container in place of the tests, whose input and output are ours. When both
 * are a terminal it has one too, which gets every key, and ours is raw meanwhile.
 */
#ifndef CLEANROOM_SHELL_H
#define CLEANROOM_SHELL_H

#include "base/terminal.h"
#include "run/container.h"

struct shell {
    int number;               /* which shard it is, 1-based */
    const char *const *words; /* for the image's entry point; NULL: a shell */
    int exit_code;            /* once it has ended */

    /* Of a visitor, see visit.h: what shell_init() finds out by itself. */
    int in, out, err;
    bool remote; /* its terminal is looked after elsewhere, which tells its size */
    const char *term;
    bool tty;

    /* private */
    struct terminal_size size;
    struct strvec env;
    struct terminal terminal;
    struct container *container; /* as long as it runs */
    bool listening;              /* to our input */
    int signals;                 /* SIGWINCH, or -1 */
    struct engine_op *input, *resize;
    bool sized;   /* the container was told once */
    bool resized; /* again, while it is being told */
};

/* words: borrowed; NULL or none: a shell. */
void shell_init(struct shell *s, int number, const char *const *words);
void shell_deinit(struct shell *s);

/* What its container has that no other has. spec borrows. env: the app's. */
void shell_specify(struct shell *s, struct container_spec *spec, const struct strvec *env);
/* A visitor's terminal has another size. */
void shell_resize(struct shell *s, struct terminal_size size);
/* The container runs. */
void shell_begin(struct shell *s, struct container *c);
void shell_output(struct shell *s, enum output_stream stream, const void *bytes, size_t len);
/* It does not any more, or is about to go. Harmless when it never ran. */
void shell_end(struct shell *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another program, run to its end by a process that has nothing else to do. It ends with us.
 */
#ifndef STORE_PROGRAM_H
#define STORE_PROGRAM_H

#include <cleanroom/strbuf.h>

struct program {
    char *const *argv;        /* NULL-terminated; found in $PATH */
    struct strbuf out;        /* what it wrote, the first part of it */
    struct strbuf error;      /* to standard error, the last part of it */
    void (*tick)(void *data); /* several times a second; or NULL */
    void *data;
};

/* The exit code, 128+n after a signal; -1 with errno when it could not be begun (ENOENT: there is
   no such program). */
int program_run(struct program *program);
void program_deinit(struct program *program);

#endif

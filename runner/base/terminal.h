/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A terminal whose keys all go to somebody else: raw mode, and the way back from it, which is taken
 * also when we are killed, by a process that waits for just that.
 */
#ifndef BASE_TERMINAL_H
#define BASE_TERMINAL_H

#include <stdbool.h>
#include <sys/types.h>
#include <termios.h>

struct terminal {
    int fd;
    bool raw;
    struct termios before;
    pid_t guard; /* ends when its pipe does */
    int pipe;
};

/* fd is borrowed until terminal_restore(). -1 with errno: it is as it was. */
int terminal_make_raw(struct terminal *t, int fd);
/* Harmless when it is not raw, and on a zeroed struct. */
void terminal_restore(struct terminal *t);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc tells of a process, proc(5), where programs are, and running one.
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include <cleanroom/clock.h>
#include <cleanroom/error.h>

/* When a process began, as text, which together with its pid tells it from all others since the
   machine booted; pid 0: our own. NULL when there is no such process, or only its zombie; release
   with free(). */
char *process_start_time(pid_t pid);

/* Whether we are in a user namespace other than the machine's first, where root is not root of the
   machine. */
bool process_in_user_namespace(void);

/* The absolute path of a program in PATH; release with free(). NULL: it is not there. */
char *process_find_program(const char *name);
/* The same of a tool of the system's, which need not be in an ordinary user's PATH. */
char *process_find_tool(const char *name);

/* Begins a program (argv[0]: its path), all signals as it expects them; what it says goes to `out`.
   Returns 0, or an errno. */
int process_spawn(const char *const *argv, char *const *environment, int in, int out, pid_t *pid);
/* Runs a program with our environment and `input` on its standard input; what
   it says goes to standard error. -1: it did not end well, or not before `patience` was over (and
   was killed). */
int process_feed(const char *const *argv, const void *input, size_t len, nsec_t patience,
                 struct error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc tells of a process, proc(5), and where programs are.
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

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

#endif

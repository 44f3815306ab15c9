/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_PROCTITLE_H
#define BASE_PROCTITLE_H

#include <cleanroom/vec.h>

/*
 * What others see of this process in /proc: `title` as its command line, and nothing of the
 * environment it was begun with (proc(5): cmdline and environ are read from where the kernel put
 * them on our stack). Its own environment is env from now on, which must live on.
 */
void proctitle_set(const char *title, struct strvec *env);

/* The same, with nothing left in the environment but what leads to files and engines. */
void proctitle_disguise(const char *title);

#endif

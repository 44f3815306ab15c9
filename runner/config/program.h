/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target that is a program of this machine, instead of an image.
 */
#ifndef CONFIG_PROGRAM_H
#define CONFIG_PROGRAM_H

#include "config/settings.h"

/* Sets *program to its absolute path (release with free()), NULL when the target is an image. With
   DRIVER_AUTO it is a program when its name has a slash and is that of an executable file. */
int program_find(const struct settings *s, char **program, struct error *err);

/* The directory that stands for PLAN_SCRATCH, of shard `number`, or (-1) of the whole run; release
   with free(). */
char *program_scratch(const char *run_id, int number);

/* What it is told besides: CLEANROOM_STORAGE and CLEANROOM_STATIC, which an image has as /storage
   and /static. */
void program_set_dirs(struct strvec *env, const char *scratch);

/* What of our own environment it gets too: what a person's programs need, nothing that an outer CI
   may have set. */
void program_base_env(struct strvec *env, const char *const *from);

/* A TCP port of 127.0.0.1 that nobody listens on just now. */
int program_free_port(uint16_t *port, struct error *err);

/* Whether we may listen on that port of this machine, taken or not: those below 1024 may be root's.
 */
bool program_may_listen(const char *address, uint16_t port);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories by descriptor: no path is looked up twice, and no symbolic link is followed.
 */
#ifndef REPORT_DIRECTORY_H
#define REPORT_DIRECTORY_H

#include <cleanroom/vec.h>

/* Opens `name` (one component) in dir, a directory; makes it when it is not there. -1 with errno.
 */
int directory_enter(int dir, const char *name);

/* Appends the names in dir, without "." and "..". 0, or -1 with errno. */
int directory_list(int dir, struct strvec *names);

/* Removes `name` in dir, whatever it is, with all that is in it. 0, or -1 with errno. */
int directory_remove(int dir, const char *name);

#endif

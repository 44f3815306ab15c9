/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small files, written in one go.
 */
#ifndef EMBEDDED_PUT_H
#define EMBEDDED_PUT_H

/* Writes text into path, which is made, or emptied first. -1 with errno. */
int put_file(const char *path, const char *text, unsigned mode);

#endif

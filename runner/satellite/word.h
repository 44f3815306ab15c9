/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the satellite's command line and of what it says. */
#ifndef SATELLITE_WORD_H
#define SATELLITE_WORD_H

#include <stddef.h>
#include <stdint.h>

/* Cuts the next word off *text at a colon; NULL when there is none. */
char *word_cut(char **text);
/* Decimal, 1 to 65535. */
int word_port(const char *text, uint16_t *port);
/* What errnum means, as part of a sentence. */
void word_errno(int errnum, char *out, size_t size);

#endif

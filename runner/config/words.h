/* SPDX-License-Identifier: Apache-2.0 */
/* Words of a command as one would type them in a shell. */
#ifndef CLEANROOM_WORDS_H
#define CLEANROOM_WORDS_H

#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

/* Appends a word, quoted when a shell would see more in it than a word. */
void words_quote(struct strbuf *out, const char *word);
/* All of them with blanks between; release with free(). */
char *words_join(const struct strvec *words);

#endif

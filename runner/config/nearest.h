/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLEANROOM_NEAREST_H
#define CLEANROOM_NEAREST_H

#include <stddef.h>

/* The nearest of `count` names to `word` by edit distance, or NULL when none is near enough. The
   case of letters does not count; NULL names are skipped; of equals the first wins. */
const char *nearest_name(const char *word, const char *const *names, size_t count);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Hiding secrets in text that is shown. */
#ifndef CONFIG_MASK_H
#define CONFIG_MASK_H

#include <stdbool.h>

#include <cleanroom/vec.h>

#define MASK "******"

/* text with each of the secrets, and the password of any URL, as MASK; release with free(). */
char *mask_text(const struct strvec *secrets, const char *text);

/* text with each of the secrets as MASK, and nothing else; release with free(). */
char *mask_values(const struct strvec *secrets, const char *text);

/* Does a variable of this name, by custom, hold a secret (SECRET_KEY, API_TOKEN)? */
bool mask_is_secret_name(const char *name);

#endif

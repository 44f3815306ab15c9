/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes: of the kernel, or in tests the same each time. */
#ifndef CONFIG_RANDOM_H
#define CONFIG_RANDOM_H

#include <stddef.h>

#include <cleanroom/error.h>

#define RANDOM_BYTES_MAX 16

/* 0, or -1 with errno. */
typedef int random_fn(void *bytes, size_t len);
random_fn random_kernel;

/* `bytes` (at most RANDOM_BYTES_MAX) random bytes in hex, or NULL; release with free(). */
char *random_hex(random_fn *random, size_t bytes, struct error *err);

#endif

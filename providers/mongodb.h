/* SPDX-License-Identifier: Apache-2.0 */
/* MongoDB: what its two files share. */
#ifndef PROVIDERS_MONGODB_H
#define PROVIDERS_MONGODB_H

#include <cleanroom/provider.h>

extern const struct probe mongodb_probe;

#endif

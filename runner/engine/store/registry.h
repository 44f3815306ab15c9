/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registries, reached by skopeo: authentication, credential helpers, proxies and mirrors are its
 * trade.
 */
#ifndef STORE_REGISTRY_H
#define STORE_REGISTRY_H

#include <stdbool.h>

#include <cleanroom/strbuf.h>

/* Whether there is something to reach registries with; why not, in one sentence. */
bool registry_possible(const char *ref, struct strbuf *why);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registries, reached by skopeo: authentication, credential helpers, proxies and mirrors are its
 * trade.
 */
#ifndef STORE_REGISTRY_H
#define STORE_REGISTRY_H

#include <stdbool.h>

#include <cleanroom/strbuf.h>

#include "engine/store/import.h"

/* Whether there is something to reach registries with; why not, in one sentence. */
bool registry_possible(const char *ref, struct strbuf *why);

/* Brings import->ref. */
int import_registry(struct import *import, struct error *err);

/* Whether a reference's domain, perhaps with a port, is this machine. */
bool registry_is_loopback(const char *domain);

/* What skopeo means by what it wrote to standard error, in one line; release with free(). */
char *registry_reason(const char *text);

#endif

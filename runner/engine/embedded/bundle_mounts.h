/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container finds mounted: Docker's own mounts, then the spec's tmpfs and what we bind, each
 * in place of a default mount on the same path, parents before children.
 */
#ifndef EMBEDDED_BUNDLE_MOUNTS_H
#define EMBEDDED_BUNDLE_MOUNTS_H

#include <jansson.h>

#include "engine/embedded/bundle.h"

/* The specification's `mounts`, the caller's. rootfs is a directory, *bad as of bundle_text(). */
json_t *bundle_mounts(const struct bundle *bundle, int rootfs, bool *bad);

/* A JSON string; sets *bad and yields null for what JSON cannot say. */
json_t *bundle_text(const char *s, bool *bad);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What images a layout holds: OCI image-spec (index.json, image-layout.md), the manifest.json of
 * `docker save`, and skopeo's "dir:", which is one manifest.json as the registry has it and its
 * blobs. Of an image for several platforms, the one for this machine is meant.
 */
#ifndef STORE_MANIFEST_H
#define STORE_MANIFEST_H

#include <jansson.h>

#include "engine/store/layout.h"

struct part {
    char *file;   /* its name in the layout */
    char *digest; /* or NULL: unknown */
};

struct manifest {
    struct part config;
    VEC(struct part) layers; /* bottom first */
    struct strvec names;
};
struct manifests {
    struct manifest *items;
    size_t len, cap;
};

/* At least one; -1 and ERROR_ENGINE otherwise. */
int manifests_read(struct layout *layout, struct manifests *out, struct error *err);
void manifests_deinit(struct manifests *manifests);

/* Of an OCI index or manifest list: the digest of the manifest for this machine, borrowed, or NULL.
 */
const char *manifest_choose(const json_t *index);
/* What this machine is called there: "linux/amd64". */
const char *manifest_platform(void);

#endif

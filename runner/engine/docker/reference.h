/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image references: "postgres" -> docker.io, library/postgres, latest. Pure.
 */
#ifndef DOCKER_REFERENCE_H
#define DOCKER_REFERENCE_H

#include <stdbool.h>

#include <cleanroom/error.h>

struct reference {
    bool is_id;   /* "sha256:..." or 64 hex digits: content, in no registry. Nothing else is set */
    char *domain; /* "docker.io", "127.0.0.1:5000" */
    char *name;   /* with its domain: "docker.io/library/postgres" */
    char *tag;    /* a tag, or a digest "sha256:..."; a digest wins over a tag beside it */
    char *lookup; /* what to ask the engine for: as written, without a tag beside a digest */
};

/* ERROR_CONFIG when it cannot be one. Release with reference_deinit(), also on failure. */
int reference_parse(struct reference *out, const char *text, struct error *err);
void reference_deinit(struct reference *ref);

/* As people write it: without "docker.io/library/" or "docker.io/"; release with free(). */
char *reference_familiar(const char *name);

#endif

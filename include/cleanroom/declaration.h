/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service declared in forklift.yaml: a provider made of data, without C of its own.
 *
 * What can be overridden like any service's (image, command, environment, user, memory ...) is
 * kept among the overrides; here is the rest. Its texts have placeholders: ${host} ${port}
 * ${port2} ... ${password} ${shard} ${shards} ${application_id} ${name}; "$$" is a dollar, and any
 * other "$" is itself.
 */
#ifndef CLEANROOM_DECLARATION_H
#define CLEANROOM_DECLARATION_H

#include <cleanroom/provider.h>

enum declaration_ready {
    DECLARATION_TCP,  /* its port takes connections */
    DECLARATION_HTTP, /* it answers a path with a status */
    DECLARATION_LOG,  /* its output has a text */
    DECLARATION_EXEC, /* words end with 0 in its container */
};

struct declaration {
    struct provider provider;      /* as which plan and run know it; its plan() finds the rest */
    char *name, *image;            /* what the provider borrows */
    struct strvec entrypoint;      /* empty: the image's */
    uint16_t ports[SERVICE_PORTS]; /* 0 ends, none at all too; ${port}, ${port2} ... */
    struct strvec tmpfs;           /* "PATH" or "PATH:options" */
    struct strvec files;           /* path, text, path, text ... */
    struct strvec app_env;         /* K=V */
    enum declaration_ready ready;
    char *ready_arg;           /* HTTP: "/path" or "/path 200"; LOG: the text */
    struct strvec ready_words; /* EXEC */
};

struct declaration *declaration_new(const char *name, const char *image);
/* Once its data is complete: tells the provider of it. */
void declaration_finish(struct declaration *d);
/* Accepts NULL. */
void declaration_free(struct declaration *d);

/* How many ports it has. */
size_t declaration_ports(const struct declaration *d);

/* All placeholders there are, for messages; ends with NULL. */
const char *const *declaration_placeholders(void);
/* Has the text only placeholders that this declaration has (its ports are to be known)? If not,
   returns -1, and *unknown is the first one's name, to be released with free(); NULL when it is not
   closed. */
int declaration_check(const struct declaration *d, const char *text, char **unknown);

#endif

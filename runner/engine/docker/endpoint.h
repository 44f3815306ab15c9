/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the engine is: from options, environment, docker contexts and well-known sockets.
 */
#ifndef DOCKER_ENDPOINT_H
#define DOCKER_ENDPOINT_H

#include <stdbool.h>

#include <cleanroom/engine.h>

struct endpoint {
    char *where;     /* "unix:///var/run/docker.sock", for messages */
    char *unix_path; /* or NULL: TCP */
    char *base;      /* "http://localhost", "https://build:2376" */
    char *ca;        /* paths of PEM files, or NULL: the system's / none */
    char *cert;
    char *key;
    bool insecure; /* TLS without checking whom we talk to (a context's SkipTLSVerify) */
};
void endpoint_deinit(struct endpoint *endpoint);

/* What of the environment matters; borrowed. Absent and empty are the same: NULL. */
struct endpoint_env {
    const char *docker_host;
    const char *docker_context;
    const char *cert_path;
    const char *tls_verify;
    const char *config_dir; /* DOCKER_CONFIG */
    const char *home;
    const char *runtime_dir; /* XDG_RUNTIME_DIR */
};
struct endpoint_env endpoint_env_get(void);

/* $DOCKER_CONFIG or ~/.docker; NULL when there is neither. Release with free(). */
char *endpoint_config_dir(const struct endpoint_env *env);

struct endpoints {
    struct endpoint *items;
    size_t len;
    size_t cap;
};
void endpoints_deinit(struct endpoints *list);

/* The places to try, in order: the one that was asked for, or all the usual sockets. Asked for is,
   first to last: options->host, options->context, DOCKER_HOST, DOCKER_CONTEXT, the current context
   of the docker configuration. */
int endpoint_find(const struct engine_options *options, const struct endpoint_env *env,
                  struct endpoints *out, struct error *err);

#endif

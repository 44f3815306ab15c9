/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials for a registry, from docker's config.json: `credHelpers`, `credsStore`, `auths`.
 *
 * A credential helper is a program of its own; it gets ten seconds.
 */
#ifndef DOCKER_REGISTRY_AUTH_H
#define DOCKER_REGISTRY_AUTH_H

#include <jansson.h>

#include <cleanroom/error.h>
#include <cleanroom/loop.h>

/* header: value of X-Registry-Auth, the callback's to free(), or NULL where nothing is known. err:
   set when something is, but could not be had. */
typedef void (*registry_auth_fn)(void *data, char *header, const struct error *err);

struct registry_auth;
/* Calls fn once, later, from the loop, then frees itself. config_dir may be NULL. */
struct registry_auth *registry_auth_new(struct loop *loop, const char *config_dir,
                                        const char *domain, registry_auth_fn fn, void *data);
/* Ends it without fn. Accepts NULL. */
void registry_auth_cancel(struct registry_auth *auth);

/* The pure parts: under which name docker keeps a registry's credentials; the helper's name for it,
   borrowed, or NULL; the header from `auths`, or NULL; and from a helper's answer (0, or -1: it is
   not an answer). Headers are released with free(). */
const char *registry_auth_server(const char *domain);
const char *registry_auth_helper(const json_t *config, const char *domain);
char *registry_auth_from_config(const json_t *config, const char *domain);
int registry_auth_from_answer(const char *text, size_t len, const char *server, char **header);

#endif

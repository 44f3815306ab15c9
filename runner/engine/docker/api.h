/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's endpoints: one short function each, from our terms to an HTTP request. Pure.
 *
 * Functions with a body return -1 when a string given cannot be said in JSON (it is not UTF-8).
 */
#ifndef DOCKER_API_H
#define DOCKER_API_H

#include <cleanroom/engine.h>

#include "engine/docker/http.h"

/* On a network that stands behind another one of ours (see network.c): that one's name. */
#define API_LABEL_NETWORK "org.cleanroom.network"

/* Percent-encodes all but the unreserved characters and those in keep; release with free(). */
char *api_escape(const char *s, const char *keep);

struct http_request api_image_inspect(const char *ref);
/* tag: a tag, or a digest "sha256:...". auth as made by registry_auth, taken over, or NULL. */
struct http_request api_image_pull(const char *name, const char *tag, char *auth);
struct http_request api_image_import(const char *name, const struct labels *labels,
                                     const char *const *entrypoint, const void *tar, size_t len);
/* of: value of API_LABEL_NETWORK, or NULL. */
int api_network_create(struct http_request *out, const char *name, const struct labels *labels,
                       const char *of, bool podman, struct error *err);
int api_volume_create(struct http_request *out, const char *name, const struct labels *labels,
                      struct error *err);
/* network: to connect to instead of spec->network, NULL: none. */
int api_container_create(struct http_request *out, const struct container_spec *spec,
                         const char *network, struct error *err);
struct http_request api_container_start(const char *name);
struct http_request api_container_inspect(const char *name);
struct http_request api_container_attach(const char *name);
/* Both ways. */
struct http_request api_container_hijack(const char *name);
struct http_request api_container_resize(const char *name, struct terminal_size size);
struct http_request api_container_archive(const char *name, const char *path);
struct http_request api_container_extract(const char *name, const char *path, const void *tar,
                                          size_t len);
int api_exec_create(struct http_request *out, const char *container, const char *const *argv,
                    struct error *err);
struct http_request api_exec_start(const char *id);
struct http_request api_exec_inspect(const char *id);
struct http_request api_container_signal(const char *name, int signal);
/* name: "REPOSITORY:TAG", or NULL for an image without one. changes: Dockerfile instructions, or
   NULL. */
struct http_request api_image_commit(const char *container, const char *name,
                                     const struct strvec *changes);
/* The archive is taken out of tar. */
struct http_request api_image_load(struct strbuf *tar);
/* Removes one image and leaves those it was made of. */
struct http_request api_image_remove(const char *id);
struct http_request api_remove(enum object_kind kind, const char *name);
/* The same for a container, by Podman's own API: the Docker-compatible one asks a container
   politely and waits ten seconds, also when it is told to use force. */
struct http_request api_podman_remove_container(const char *name);
/* All of a kind that carry this label (value NULL: with any value). */
struct http_request api_list(enum object_kind kind, const char *label, const char *value);
/* since: seconds since the epoch by the engine's clock. */
struct http_request api_events(const char *run, int64_t since);

#endif

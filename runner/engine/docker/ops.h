/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of engine.h's vtable, by family; docker.c puts them together.
 */
#ifndef DOCKER_OPS_H
#define DOCKER_OPS_H

#include "engine/docker/op.h"

/* image.c */
struct engine_op *docker_image_resolve(struct engine *engine, const char *ref,
                                       enum pull_policy policy, nsec_t deadline,
                                       engine_progress_fn progress, engine_image_fn done,
                                       void *data);
struct engine_op *docker_image_import(struct engine *engine, const char *name,
                                      const struct labels *labels, const char *const *entrypoint,
                                      const void *tar, size_t len, nsec_t deadline,
                                      engine_image_fn done, void *data);
/* From the answer about an image; ref as it was asked for: it chooses among digests. */
int docker_image_info(struct image_info *info, const struct http_answer *answer, const char *ref,
                      struct error *err);

/* container.c */
struct engine_op *docker_container_create(struct engine *engine, const struct container_spec *spec,
                                          nsec_t deadline, engine_done_fn done, void *data);
struct engine_op *docker_container_start(struct engine *engine, const char *name, nsec_t deadline,
                                         engine_done_fn done, void *data);
struct engine_op *docker_container_inspect(struct engine *engine, const char *name, nsec_t deadline,
                                           engine_state_fn done, void *data);
struct engine_op *docker_container_signal(struct engine *engine, const char *name, int signal,
                                          nsec_t deadline, engine_done_fn done, void *data);
struct engine_op *docker_container_extract(struct engine *engine, const char *name,
                                           const char *path, const void *tar, size_t len,
                                           nsec_t deadline, engine_done_fn done, void *data);

/* exec.c */
struct engine_op *docker_container_exec(struct engine *engine, const char *name,
                                        const char *const *argv, nsec_t deadline,
                                        engine_exit_fn done, void *data);

/* commit.c */
struct engine_op *docker_container_commit(struct engine *engine, const char *name,
                                          const struct commit_spec *spec, nsec_t deadline,
                                          engine_image_fn done, void *data);

/* stream.c */
struct engine_op *docker_container_attach(struct engine *engine, const char *name,
                                          void (*ready)(void *data), engine_output_fn output,
                                          engine_done_fn done, void *data);
struct engine_op *docker_container_archive(struct engine *engine, const char *name,
                                           const char *path, nsec_t deadline, engine_bytes_fn bytes,
                                           engine_done_fn done, void *data);
struct engine_op *docker_container_events(struct engine *engine, const char *run,
                                          void (*ready)(void *data), engine_event_fn event,
                                          engine_done_fn done, void *data);

/* hijack.c */
struct engine_op *docker_hijack(struct engine *engine, const char *name, bool terminal,
                                void (*ready)(void *data), engine_output_fn output,
                                engine_done_fn done, void *data);
struct engine_op *docker_container_input(struct engine *engine, const char *name, const void *bytes,
                                         size_t len, engine_done_fn done, void *data);
struct engine_op *docker_container_resize(struct engine *engine, const char *name,
                                          struct terminal_size size, nsec_t deadline,
                                          engine_done_fn done, void *data);

/* network.c */
struct engine_op *docker_network_create(struct engine *engine, const char *name,
                                        const struct labels *labels, nsec_t deadline,
                                        engine_done_fn done, void *data);
struct engine_op *podman_network_remove(struct engine *engine, const char *name, nsec_t deadline,
                                        engine_done_fn done, void *data);
/* On Podman: the network of its own for a container that is to be on spec->network. Name to be
   released with free(); and the request that makes it. */
char *podman_network_name(const struct container_spec *spec);
int podman_network_request(struct http_request *out, const struct container_spec *spec,
                           struct error *err);

/* object.c */
/* Podman says "taken" and "in use" with 500. */
extern const struct op_rule object_create_rules[];
extern const struct op_rule object_remove_rules[];
struct engine_op *docker_volume_create(struct engine *engine, const char *name,
                                       const struct labels *labels, nsec_t deadline,
                                       engine_done_fn done, void *data);
struct engine_op *docker_object_remove(struct engine *engine, enum object_kind kind,
                                       const char *name, nsec_t deadline, engine_done_fn done,
                                       void *data);

/* list.c */
struct engine_op *docker_object_list(struct engine *engine, const char *run, nsec_t deadline,
                                     engine_list_fn done, void *data);

/* kept.c */
struct engine_op *docker_kept_list(struct engine *engine, nsec_t deadline, engine_kept_fn done,
                                   void *data);

/* An op of one request whose completion carries nothing but its outcome. */
struct plain_op {
    struct engine_op op;
    engine_done_fn done;
    const struct op_rule *rules;
};
extern const struct op_class plain_class;
struct plain_op *plain_new(struct engine *engine, const struct op_rule *rules, nsec_t deadline,
                           engine_done_fn done, void *data);
/* The op_answer_fn that finishes it. */
void plain_answer(struct engine_op *op, const struct http_answer *answer);

#endif

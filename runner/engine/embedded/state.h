/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the main process knows of the embedded engine's objects. Nobody outside this room includes
 * it. The keeper's messages change it; operations only look at it, so that an operation which was
 * cancelled or came too late leaves it right.
 */
#ifndef EMBEDDED_STATE_H
#define EMBEDDED_STATE_H

#include "engine/embedded/task.h"
#include "engine/embedded/world.h"
#include "engine/store/store.h"

/* Labels, owned. */
struct tags {
    char *owner;
    char *role; /* or NULL */
    int shard;
};

struct volume {
    uint32_t id;
    char *name;
    struct tags tags;
    struct world *world;
    bool dropping;
};

/* Which containers can reach the outside; nothing is made for it. */
struct network {
    char *name;
    struct tags tags;
    struct world *world;
};

/* An image that stays in the store and locked as long as we may use it. */
struct held_image {
    struct store_image image;
};

/* An image of the run's own. What was imported stays in the store for the next run, under a name
   made of its content: then only our name for it is the run's. */
struct run_image {
    char *name;
    char *id;
    bool kept;
    struct tags tags;
    struct world *world;
};

enum container_phase {
    PHASE_CREATING,
    PHASE_CREATED,
    PHASE_STARTING,
    PHASE_RUNNING,
    PHASE_ENDED,
};

struct attach_op;
struct input_op;
struct container {
    uint32_t id;
    char *name;
    struct tags tags;
    struct world *world;
    char *image;    /* id */
    char *hostname; /* a pod's members have its */
    char *network;  /* or NULL */
    VEC(uint32_t) volumes;
    enum container_phase phase;
    bool removing;
    int exit_code;
    bool oom;
    char *error;  /* why it did not start */
    int out[2];   /* where its output comes from; -1: at its end */
    bool flowing; /* we watch it */
    int in;       /* where its input goes, or -1; before a terminal is there: where it will come */
    bool terminal;
    struct attach_op *attach;
    struct input_op *input; /* in flight, or NULL */
};

struct embedded {
    struct engine engine; /* first: what the caller holds */
    struct store *store;
    char *runtime; /* path */
    enum network_mode network;
    bool scratch_on_disk;
    struct engine_op *ops; /* all in flight */
    struct world *worlds;
    uint32_t last_object;
    VEC(struct held_image *) images;
    VEC(struct run_image) run_images;
    VEC(struct container *) containers;
    VEC(struct volume *) volumes;
    VEC(struct network) networks;
};

void tags_init(struct tags *tags, const struct labels *labels);
void tags_deinit(struct tags *tags);

/* The world of labels->run, made when there is none. */
struct world *embedded_world(struct embedded *e, const struct labels *labels, struct error *err);

/* All objects of a world that is gone. */
void embedded_forget(struct world *w);

/* --- container.c --- */
struct container *container_by_name(struct embedded *e, const char *name);
struct container *container_by_id(struct embedded *e, uint32_t id);
void container_ended(struct container *c, const struct answer *died);
/* Forgets it; its attach ends. */
void container_drop(struct container *c);
/* Tells those who follow its run's events. */
void container_tell(struct container *c, int kind);

/* --- volume.c --- */
struct volume *volume_by_name(struct embedded *e, const char *name);
struct done_op;
/* asked: the keeper is, so the op is not to be settled. */
enum engine_outcome volume_discard(struct embedded *e, const char *name, struct done_op *op,
                                   bool *asked);
enum engine_outcome network_remove(struct embedded *e, const char *name);
void volume_drop(struct embedded *e, struct volume *v);
void network_drop(struct embedded *e, struct network *n);

/* --- object.c --- */
/* Out of the store. 1: removed, 0: not there. */
int image_drop_stored(struct store *store, const char *name, struct error *err);

/* --- image.c --- */
struct held_image *image_held(struct embedded *e, const char *id);
/* Takes image over; the one that is kept for it. */
struct held_image *image_hold(struct embedded *e, struct store_image *image);
void image_release(struct embedded *e, const char *id);

/* --- the vtable's --- */
struct engine_op *embedded_container_create(struct engine *, const struct container_spec *, nsec_t,
                                            engine_done_fn, void *);
struct engine_op *embedded_container_start(struct engine *, const char *, nsec_t, engine_done_fn,
                                           void *);
struct engine_op *embedded_container_inspect(struct engine *, const char *, nsec_t, engine_state_fn,
                                             void *);
struct engine_op *embedded_container_signal(struct engine *, const char *, int, nsec_t,
                                            engine_done_fn, void *);
struct engine_op *embedded_container_attach(struct engine *, const char *, void (*)(void *),
                                            engine_output_fn, engine_done_fn, void *);
struct engine_op *embedded_container_input(struct engine *, const char *, const void *, size_t,
                                           engine_done_fn, void *);
struct engine_op *embedded_container_resize(struct engine *, const char *, struct terminal_size,
                                            nsec_t, engine_done_fn, void *);
struct engine_op *embedded_container_events(struct engine *, const char *, void (*)(void *),
                                            engine_event_fn, engine_done_fn, void *);
struct engine_op *embedded_container_archive(struct engine *, const char *, const char *, nsec_t,
                                             engine_bytes_fn, engine_done_fn, void *);
struct engine_op *embedded_container_extract(struct engine *, const char *, const char *,
                                             const void *, size_t, nsec_t, engine_done_fn, void *);
struct engine_op *embedded_container_exec(struct engine *, const char *, const char *const *,
                                          nsec_t, engine_exit_fn, void *);
struct engine_op *embedded_container_commit(struct engine *, const char *,
                                            const struct commit_spec *, nsec_t, engine_image_fn,
                                            void *);
struct engine_op *embedded_image_resolve(struct engine *, const char *, enum pull_policy, nsec_t,
                                         engine_progress_fn, engine_image_fn, void *);
struct engine_op *embedded_image_import(struct engine *, const char *, const struct labels *,
                                        const char *const *, const void *, size_t, nsec_t,
                                        engine_image_fn, void *);
struct engine_op *embedded_network_create(struct engine *, const char *, const struct labels *,
                                          nsec_t, engine_done_fn, void *);
struct engine_op *embedded_volume_create(struct engine *, const char *, const struct labels *,
                                         nsec_t, engine_done_fn, void *);
struct engine_op *embedded_remove(struct engine *, enum object_kind, const char *, nsec_t,
                                  engine_done_fn, void *);
struct engine_op *embedded_list(struct engine *, const char *, nsec_t, engine_list_fn, void *);

#endif

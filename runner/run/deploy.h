/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the app's `deploy` left, kept: an image of each service and the content of /storage and
 * /static.
 *
 * $XDG_CACHE_HOME/cleanroom/deploys (or $HOME/.cache/...), mode 0700:
 *     KEY/manifest.json    which images, by id
 *     KEY/storage.tar      paths relative to the volume; absent: the volume is as it was made
 *     KEY/static.tar
 *     .tmp-XXXXXX/         work in progress; what no living process locks is rubbish
 *
 * It becomes visible by rename(2). A KEY whose images are gone is made again. The least recently
 * used ones go when there are more than DEPLOYS_MAX or DEPLOYS_BYTES; their images in a daemon then
 * go as well, see kept.h.
 */
#ifndef CLEANROOM_DEPLOY_H
#define CLEANROOM_DEPLOY_H

#include <cleanroom/engine.h>

#include "run/key.h"

#define DEPLOYS_DIRECTORY "deploys"

#define DEPLOYS_MAX   16
#define DEPLOYS_BYTES (UINT64_C(4) << 30)
/* Of one volume's content. */
#define DEPLOY_TAR_MAX (UINT64_C(1) << 30)

struct run_context;

/* The volumes, as in struct shard. */
enum { DEPLOY_STORAGE, DEPLOY_STATIC, DEPLOY_TARS };
extern const char *const deploy_targets[DEPLOY_TARS];

struct deploy {
    struct run_context *ctx;
    char key[KEY_SIZE];
    bool reused, made; /* neither: it has not happened */
    char **images;     /* parallel to plan->seed.services: ids; NULL: it has nothing to keep */
    struct {
        void *bytes; /* mapped, or NULL */
        size_t len;
    } tars[DEPLOY_TARS];

    /* private */
    int root, tmp; /* directories, or -1 */
    int lease;     /* on what a daemon keeps, or -1 */
    char *tmp_name;
    struct loop_timer timer;
    size_t pending;
    bool missing;
    void (*done)(void *data);
    void *data;
    struct deploy_look *looks;
};

struct deploy *deploy_new(struct run_context *ctx);
/* Accepts NULL. */
void deploy_free(struct deploy *d);

/* Once all images are known: what the key is. ERROR_CONFIG when a service's image is one of which
   no copies can be made. */
int deploy_find_key(struct deploy *d, struct error *err);
/* Looks for what was kept; done(data) once, from the loop, then see `reused`. */
void deploy_look(struct deploy *d, void (*done)(void *data), void *data);
void deploy_cancel(struct deploy *d);

/* The name for a service's image; release with free(). */
char *deploy_image_name(const struct deploy *d, const char *service);

/* To be kept: where an engine's archive of deploy_targets[tar] goes as it comes. A descriptor, the
   caller's; -1 when there is no place for it. */
int deploy_raw(struct deploy *d, int tar, struct error *err);
/* All is there (the archives, and images[] filled in): makes it visible, and maps the tars. */
int deploy_keep(struct deploy *d, struct error *err);

/* "KEY (reused)"; release with free(). */
char *deploy_words(const struct deploy *d);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.json: what has to be the same on all machines that share a run, decided once.
 *
 * `cleanroom plan -o plan.json IMAGE` makes it; each machine reads it (`run --plan plan.json
 * --slice 2/3 IMAGE`) instead of listing and cutting for itself, and `merge plan.json` holds the
 * reports against it.
 *
 * The cut is one for all shards, by whatever split. A queue's machines take theirs from it, too:
 * each queues what belongs to its own shards, so the number of slices is nobody's
 * business before the run.
 *
 * Versioned, and read strictly: a field that is missing, wrong or not known is an error.
 */
#ifndef SPLIT_PLANFILE_H
#define SPLIT_PLANFILE_H

#include <cleanroom/engine.h>

#include "config/plan.h"
#include "split/cut.h"

#define PLANFILE_TOOL   "cleanroom"
#define PLANFILE_FORMAT 1
#define PLANFILE_MAX    ((size_t)64 << 20)
/* "plan=ID", a property of a run that was made by it. */
#define PLANFILE_PROPERTY "plan"

struct planfile_image {
    char *ref;    /* as plan_image has it */
    char *id;     /* struct image_info's */
    char *digest; /* the same; or NULL */
};

struct planfile {
    char *path;    /* as errors name it */
    char *id;      /* of the run that made it */
    char *version; /* of the cleanroom that made it */
    char *application;
    char *target; /* image or program */
    int64_t shards;
    enum split_mode split;
    char *runner; /* a preset's name, or NULL */
    enum test_order order;
    int64_t seed;            /* of a random order */
    int64_t expect;          /* tests, 0 = nobody knows */
    struct strvec arguments; /* what follows `test` */
    VEC(struct planfile_image) images;

    bool listed; /* else there are no units and tests */
    bool files;  /* they are files that nobody looked into, as of struct proof_question */
    enum granularity granularity;
    struct units units;
    int *shard_of;          /* of each unit, from 0 */
    struct test_list tests; /* of the first unit, the second ...: units.items[i].tests of each */
};

#define PLANFILE_INIT      ((struct planfile){0})
#define _cleanup_planfile_ _cleanup_(planfile_deinit)

/* What a plan says by itself: without images and tests. The seed is as the settings have it. */
void planfile_init(struct planfile *p, const struct plan *plan);
void planfile_deinit(struct planfile *p);
/* infos: parallel to plan->images. */
void planfile_set_images(struct planfile *p, const struct plan *plan,
                         const struct image_info *infos);
/* What was listed, and the cut of it. Copies. */
void planfile_set_units(struct planfile *p, const struct test_list *tests, enum naming naming,
                        enum granularity granularity, bool files, const struct units *units,
                        const int *shard_of);

/* Replaces the file as a whole. */
int planfile_write(const struct planfile *p, const char *path, struct error *err);
/* Into the empty *p, which stays so after a failure. Errors are ERROR_CONFIG and say where it is.
 */
int planfile_read(struct planfile *p, const char *path, struct error *err);
int planfile_parse(struct planfile *p, const char *path, const char *text, size_t len,
                   struct error *err);

/* Before the plan is made: what the settings leave open they have from the file; what they say
   otherwise than it, or what another version made, is an error. */
int planfile_settle(const struct planfile *p, struct settings *settings, struct error *err);
/* Before anything is started: the same images, whatever their tags mean by now. infos: parallel to
   plan->images. */
int planfile_check_images(const struct planfile *p, const struct plan *plan,
                          const struct image_info *infos, struct error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a kept deploy; see deploy.h for what is where. */
#ifndef CLEANROOM_DEPLOY_FILES_H
#define CLEANROOM_DEPLOY_FILES_H

#include "run/deploy.h"

/* Opens the directory of all, made when missing. Returns -1 when there is no place for it. */
int deploy_files_open(struct deploy *d);
void deploy_files_close(struct deploy *d);

/* Fills d->images from KEY's manifest. Returns -1 when there is none that fits the plan. */
int deploy_files_manifest(struct deploy *d);
/* Maps the tars of KEY, and marks it as used. */
int deploy_files_map(struct deploy *d, const char *key, struct error *err);
/* From what deploy_raw() took and d->images to KEY. */
int deploy_files_keep(struct deploy *d, struct error *err);

/* Rewrites an engine's archive of a directory (from its beginning) so that paths begin below it.
 *plain: it holds nothing but the directory, as the satellite made it. */
int deploy_files_strip(int from, int to, bool *plain, struct error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What a shard's containers are made of: the plan, turned into the engine's terms. */
#ifndef CLEANROOM_SHARD_CREATE_H
#define CLEANROOM_SHARD_CREATE_H

#include "run/shard.h"

void shard_create_holder(struct shard *s);
/* Not of an external service. */
void shard_create_service(struct shard *s, struct shard_service *service);
/* After shard_plan_anew(). */
void shard_create_service_again(struct shard *s, struct shard_service *service);

/* One run of the app. */
struct app_run {
    const struct strvec *argv;  /* for its entry point; NULL: as the image has it */
    bool entry;                 /* argv is in place of the entry point */
    const struct strvec *env;   /* on top of the shard's, or NULL */
    const struct strbuf *files; /* put into its container, an archive, or NULL; borrowed until it
                                   has started */
};
void shard_create_phase(struct shard *s, struct shard_phase *phase, const struct app_run *run);

/* Of a kept shard: the app's, for somebody who comes. */
void shard_create_inside(struct shard *s, struct shell *shell);

/* What has to be reached from this machine: of an app that is a program of it all services, at the
   shard's own address; of one that is served its own port. Returns how many. */
size_t shard_publish(const struct shard *s, struct publish ports[PUBLISH_MAX]);

/* Where the shard has PLAN_SCRATCH or what is below it: in its pod, or on this machine; release
   with free(). */
char *shard_path(const struct shard *s, const char *path);

#endif

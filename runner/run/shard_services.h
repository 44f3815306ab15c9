/* SPDX-License-Identifier: Apache-2.0 */
/* SERVICES: they are started, and say that they are ready, each in its way. */
#ifndef CLEANROOM_SHARD_SERVICES_H
#define CLEANROOM_SHARD_SERVICES_H

#include "run/shard.h"

void shard_init_services(struct shard *s);
/* The holder's container is there, which they join. */
void shard_create_services(struct shard *s);
void shard_enter_services(struct shard *s);
/* A line of the satellite's (satellite.h) that names one of them. */
void shard_service_said(struct shard *s, const char *line);

/* HOLDER, SERVICES: all of them have to be ready by then. */
void shard_start_by(struct shard *s, nsec_t deadline);

#endif

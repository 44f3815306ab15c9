/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first words with an engine: what it is, and which version of the API we will speak.
 */
#ifndef DOCKER_GREET_H
#define DOCKER_GREET_H

#include "engine/docker/op.h"

/* One version of the API, "1.41" as 41; only the minor one ever changed. */
enum {
    API_OLDEST = 40,
    API_NEWEST = 52,
};

/* Talks to docker->http.endpoint and fills in what it learns. Waits, for at most ten seconds.
   reached: whether something answered at all, so that looking further is pointless. */
int greet(struct docker *docker, bool *reached, struct error *err);

/* The version to speak with an engine that knows those; -1 and err when there is none. */
int greet_negotiate(int engine_min, int engine_max, struct error *err);
/* 41 of "1.41"; 0 when it is something else. */
int greet_api_minor(const char *version);

#endif

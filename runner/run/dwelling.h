/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs that are at home in a container of the very engine that they use, by its socket mounted into
 * it: when that container is killed its janitor dies too. Who looks from elsewhere cannot see its
 * processes, but can ask the engine whether it still runs.
 */
#ifndef CLEANROOM_DWELLING_H
#define CLEANROOM_DWELLING_H

#include <cleanroom/engine.h>
#include <cleanroom/vec.h>

/* The id of the container we are in, by what /proc/self/mountinfo says; NULL when there is none.
   Release with free(). */
char *dwelling_in(const char *mountinfo);

/* Whether there is one. */
bool dwelling_is_container(void);

/* The id for this process, and only if the engine knows that container and says that it runs.
   Waits for the answer. */
char *dwelling_find(struct engine *engine);

struct dwelling {
    char *id;
    bool gone;
};

/* All of the runs of which an engine has something. */
struct dwellings {
    VEC(struct dwelling) items;

    /* private */
    struct engine *engine;
    nsec_t deadline;
    void (*done)(void *data);
    void *data;
    size_t asked;
};

/* Asks the engine; done(data) once, from the loop. What it does not tell is not gone. */
void dwellings_ask(struct dwellings *d, struct engine *engine, nsec_t deadline,
                   void (*done)(void *data), void *data);
void dwellings_deinit(struct dwellings *d);
/* NULL: that container is none of them. */
const struct dwelling *dwellings_get(const struct dwellings *d, const char *id);

#endif

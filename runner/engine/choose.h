/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which engine it shall be. Pure: from what was asked for and what is known of this machine.
 */
#ifndef ENGINE_CHOOSE_H
#define ENGINE_CHOOSE_H

#include <cleanroom/engine.h>

/* All borrowed. */
struct choose_facts {
    enum engine_choice asked;
    enum network_mode network;
    const char *option; /* the option that names a daemon ("--host"), or NULL */
    const char *named;  /* the variable that does ("DOCKER_HOST"), or NULL */
    const char *lacks;  /* why not embedded: "cannot run here: ..."; NULL: nothing known so far */
};

/* What of the options and the environment names a daemon: fills in `option` and `named`. */
void choose_daemon(struct choose_facts *facts, const struct engine_options *options);

/* Sets *engine to ENGINE_EMBEDDED or ENGINE_DOCKER, and *why (release with free()) to why it is not
   the one that comes first, NULL when it is or was asked for. -1 when nothing is left to choose
   from (ERROR_ENGINE) or what was asked for contradicts itself (ERROR_USAGE). */
int choose(const struct choose_facts *facts, enum engine_choice *engine, char **why,
           struct error *err);

/* For what looks at all engines there are: which of them it looks at, and which must be there. */
enum choose_need {
    CHOOSE_NOT,
    CHOOSE_MAY,
    CHOOSE_MUST,
};
/* engine: ENGINE_EMBEDDED or ENGINE_DOCKER. */
enum choose_need choose_need(const struct choose_facts *facts, enum engine_choice engine);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signs of readiness that the satellite cannot see: a text in a service's output, or words that end
 * with 0 in its container. Of services declared in forklift.yaml alone.
 *
 * The words are run one at a time, from 50 ms upward to 1 s apart. Who hangs is left to himself
 * after SIGN_ATTEMPT: what ends him for certain is the end of his container.
 */
#ifndef CLEANROOM_SIGN_H
#define CLEANROOM_SIGN_H

#include "run/container.h"

#define SIGN_ATTEMPT (10 * NSEC_PER_SEC)

struct sign {
    struct container *container;
    const struct service_plan *spec; /* log_text or exec_words */
    bool seen;
    char *reason; /* why not yet, or NULL */
    void (*on_change)(void *data, struct sign *sign);
    void *data;

    /* private */
    struct strbuf tails[3]; /* by enum output_stream: what may be the text's beginning */
    struct engine_op *op;
    struct loop_timer timer;
    nsec_t pause;
    bool over;
};

/* Is it by a sign that this service says it is ready? */
bool sign_is_needed(const struct service_plan *spec);

/* Borrows all. on_change(data): `seen` is now true, or there is nothing under way any more. Takes
   the container's output. */
void sign_init(struct sign *s, struct container *container, const struct service_plan *spec,
               void (*on_change)(void *data, struct sign *sign), void *data);
/* Its container runs. */
void sign_begin(struct sign *s);
/* No more of it: on_change() follows if something is under way. */
void sign_cancel(struct sign *s);
bool sign_is_busy(const struct sign *s);
void sign_deinit(struct sign *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What containers write: two pipes each, from their creation to their end.
 *
 * They are read from the start on, whether anybody is attached or not; what nobody wants is
 * dropped. What a runtime that fails says into them is dropped too: its words come as the error.
 */
#ifndef EMBEDDED_FLOW_H
#define EMBEDDED_FLOW_H

#include "engine/embedded/state.h"

/* ends: {read, write} of standard output and standard error; the read ends are the container's. */
int flow_open(struct container *c, int ends[2][2]);
/* It was started. */
void flow_begin(struct container *c);
/* It has ended: its attach ends as soon as all was read. */
void flow_settle(struct container *c);
/* Delivers what is there, ends its attach, closes. */
void flow_end(struct container *c);

/* --- input.c --- */
/* The keeper's end of the input to be, which is the container's from now on; -1 with errno. */
int input_open(struct container *c);
/* It was started, or its keeper says so: the terminal is there, and is its output too. */
void input_begin(struct container *c);
/* Nobody reads any more. */
void input_end(struct container *c);

#endif

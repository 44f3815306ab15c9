/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EMBEDDED_BURIAL_H
#define EMBEDDED_BURIAL_H

#include <cleanroom/engine.h>

/* As the vtable's remove(OBJECT_WORLD), for a run whose world is not one of ours. */
struct engine_op *burial_begin(struct engine *engine, const char *run, nsec_t deadline,
                               engine_done_fn done, void *data);

#endif

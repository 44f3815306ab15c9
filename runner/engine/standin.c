/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Until the embedded engine is there: weak, so that the real one replaces it.
 */
#include "engine/embedded/embedded.h"

#define WEAK __attribute__((weak))

WEAK struct engine *embedded_open(struct loop *loop _unused_,
                                  const struct engine_options *options _unused_, struct error *err)
{
    error_set(err, ERROR_ENGINE, "this build is without it");
    return NULL;
}

WEAK void embedded_examine(struct findings *out)
{
    *vec_push(out) = (struct finding){
        .essential = true, .what = "embedded engine", .found = xstrdup("this build is without it")};
}

WEAK void findings_deinit(struct findings *findings)
{
    for (size_t i = 0; i < findings->len; i++)
        free(findings->items[i].found);
    vec_deinit(findings);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Until the embedded engine and its store are there: weak, so that the real ones replace them.
 */
#include <cleanroom/strbuf.h>

#include "engine/embedded/embedded.h"
#include "engine/store/resolve.h"

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

WEAK struct store *store_open(const char *dir _unused_, struct error *err)
{
    error_set(err, ERROR_ENGINE, "this build is without it");
    return NULL;
}

WEAK void store_close(struct store *store _unused_)
{
}

WEAK const char *store_path(const struct store *store _unused_)
{
    return "";
}

WEAK int store_list(struct store *store _unused_, struct store_entries *out _unused_,
                    struct error *err)
{
    return error_set(err, ERROR_ENGINE, "this build is without it");
}

WEAK void store_entries_deinit(struct store_entries *entries)
{
    vec_deinit(entries);
}

WEAK int resolve_possible(struct store *store _unused_, const char *ref _unused_,
                          struct strbuf *why)
{
    strbuf_adds(why, "this build is without it");
    return 0;
}

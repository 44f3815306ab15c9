/* SPDX-License-Identifier: Apache-2.0 */
#include "config/origin.h"

#include <cleanroom/strbuf.h>

#include "config/nearest.h"

char *origin_source(const struct origin *origin)
{
    const struct yaml_node *node = origin->node;
    if (!node)
        return xstrdup(origin->name);
    return xasprintf("%s:%zu:%zu", yaml_tree_name(node->tree), node->line, node->column);
}

int origin_error(const struct origin *origin, struct error *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *message = xvasprintf(fmt, ap);
    va_end(ap);
    if (origin->node)
        return yaml_node_error(origin->node, err, "%s", message);
    return error_set(err, origin->kind, "%s: %s", origin->name, message);
}

int origin_unknown(const struct origin *origin, struct error *err, const char *what,
                   const char *word, const char *const *names, size_t count)
{
    const char *nearest = nearest_name(word, names, count);
    if (nearest)
        return origin_error(origin, err, "unknown %s '%s', did you mean '%s'?", what, word,
                            nearest);

    _cleanup_strbuf_ struct strbuf known = STRBUF_INIT;
    for (size_t i = 0; i < count; i++)
        if (names[i])
            strbuf_addf(&known, "%s%s", known.len ? ", " : "", names[i]);
    return origin_error(origin, err, "unknown %s '%s'; known are %s", what, word, known.buf);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML text -> an immutable tree whose nodes know where they stand.
 *
 * Bounded, since project files come from anywhere: see the limits below. Keys are plain text and
 * unique within their mapping. Aliases are resolved; an aliased node stands where the alias does.
 * Not supported, and said so: merge keys ('<<'), tags other than !!str, !!map and !!seq, more than
 * one document, other encodings than UTF-8.
 */
#ifndef CLEANROOM_YAML_H
#define CLEANROOM_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include <cleanroom/error.h>

#define YAML_MAX_BYTES ((size_t)1 << 20)
#define YAML_MAX_DEPTH 32
#define YAML_MAX_NODES 10000 /* aliases expanded, keys counted */

enum yaml_kind {
    YAML_NULL,   /* nothing, ~ or null, not in quotes */
    YAML_SCALAR, /* what a plain scalar means (a number, a truth value) is for the reader to say */
    YAML_SEQUENCE,
    YAML_MAPPING,
};

struct yaml_tree;

struct yaml_node {
    enum yaml_kind kind;
    bool quoted;         /* SCALAR: in quotes or a block, so it can only be text */
    char *text;          /* SCALAR and NULL: UTF-8 without NUL */
    size_t line, column; /* 1-based, columns in characters */
    const struct yaml_tree *tree;

    /* The parser's. */
    struct yaml_node **children; /* SEQUENCE: items; MAPPING: key, value, key, value ... */
    size_t child_count, child_cap;
    size_t height;          /* levels below this one */
    size_t weight;          /* nodes, aliases expanded */
    bool alias;             /* text and children belong to another node */
    struct yaml_node *next; /* all nodes of the tree */
};

/* name: how messages call the text ("forklift.yaml"). An empty text is a YAML_NULL root. */
struct yaml_tree *yaml_tree_parse(const char *name, const char *text, size_t len,
                                  struct error *err);
/* Accepts NULL. */
void yaml_tree_free(struct yaml_tree *tree);
const struct yaml_node *yaml_tree_root(const struct yaml_tree *tree);
const char *yaml_tree_name(const struct yaml_tree *tree);

/* The number of items of a sequence, or of pairs of a mapping; 0 for others. */
size_t yaml_node_count(const struct yaml_node *node);
/* i < yaml_node_count(). */
const struct yaml_node *yaml_node_key(const struct yaml_node *mapping, size_t i);
const struct yaml_node *yaml_node_value(const struct yaml_node *node, size_t i);

/* The value of a key; NULL when there is none, or when it is no mapping at all. */
const struct yaml_node *yaml_node_get(const struct yaml_node *mapping, const char *key);

/* "nothing", "text", "a list", "a map". */
const char *yaml_kind_name(enum yaml_kind kind);

/* Sets ERROR_CONFIG "NAME:LINE:COLUMN: ..." with the line and a caret as its detail; returns -1. */
int yaml_node_error(const struct yaml_node *node, struct error *err, const char *fmt, ...)
    _printf_(3, 4);

static inline void yaml_tree_freep(struct yaml_tree **tree)
{
    yaml_tree_free(*tree);
}
#define _cleanup_yaml_ _cleanup_(yaml_tree_freep)

#endif

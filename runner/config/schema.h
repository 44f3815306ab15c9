/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding YAML by tables: which keys a map may have and what takes each of them.
 */
#ifndef CLEANROOM_SCHEMA_H
#define CLEANROOM_SCHEMA_H

#include <cleanroom/vec.h>

#include "config/origin.h"
#include "config/yaml.h"

struct schema_key;

/* Takes the value of a key. `key` and `value` stand in the file; both borrowed. */
typedef int (*schema_fn)(void *data, const struct schema_key *row, const struct yaml_node *key,
                         const struct yaml_node *value, struct error *err);

struct schema_key {
    const char *key;
    schema_fn take;
    const void *fact; /* what the row is about, for take() */
};

/* Gives every value of a map to the row of its key. what: "key", "redis override", for an
   unknown one. An empty value is an empty map. */
int schema_map(const struct yaml_node *map, const struct schema_key *rows, size_t count,
               const char *what, void *data, struct error *err);

struct schema_text {
    const struct yaml_node *node;
};
struct schema_texts {
    struct schema_text *items;
    size_t len, cap;
};
/* Appends every item of a list of texts, or a single text; nothing when empty. what: "the name of a
   service". */
int schema_texts(const struct yaml_node *node, const char *what, struct schema_texts *out,
                 struct error *err);
void schema_texts_deinit(struct schema_texts *texts);

/* Calls take(data, K, V, origin) for each entry of a map of K: V, or of a list of K=V. An empty V
   is "". */
typedef int (*schema_pair_fn)(void *data, const char *key, const char *value,
                              const struct origin *origin, struct error *err);
int schema_pairs(const struct yaml_node *node, schema_pair_fn take, void *data, struct error *err);

/* Splits "K=V" and hands it to take(); an error when there is no '='. */
int schema_pair(const char *text, const struct origin *origin, schema_pair_fn take, void *data,
                struct error *err);

#endif

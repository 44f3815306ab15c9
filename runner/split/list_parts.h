/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the readers of lists share: only list.c and list_json.c include this.
 */
#ifndef SPLIT_LIST_PARTS_H
#define SPLIT_LIST_PARTS_H

#include "split/list.h"

/* Adds a test; takes id, and key (NULL: made from the id). */
int list_add(struct test_list *list, enum naming naming, char *id, char *key, struct error *err);

int list_read_mocha(struct test_list *list, const char *text, size_t len, struct error *err);
int list_read_rspec(struct test_list *list, const char *text, size_t len, struct error *err);

#endif

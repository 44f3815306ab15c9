/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A report in a directory of its own, and what schemas and XPath say of it.
 */
#ifndef TESTS_JUNIT_FILE_H
#define TESTS_JUNIT_FILE_H

#include <libxml/tree.h>

#define JUNIT_10_SCHEMA "tests/data/junit-10.xsd"
#define SUREFIRE_SCHEMA "tests/data/surefire-test-report.xsd"

struct place {
    char path[64];
    int dir;
};

void place_init(struct place *p);
/* Checks that nothing but junit.xml was left there. */
void place_deinit(struct place *p);

/* junit.xml; release with xmlFreeDoc(). */
xmlDoc *place_parse(const struct place *p);
/* 0: valid; -1: there is no such schema, or no document. */
int schema_validate(xmlDoc *doc, const char *schema);
/* Release with free(). */
char *doc_query(xmlDoc *doc, const char *xpath);

/* libxml2 prints what it has to say of wrong documents; not here. */
void libxml_quiet(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two halves of the JUnit reader: junit_read.c has the documents, junit_elements.c knows what
 * their elements mean.
 */
#ifndef REPORT_JUNIT_READER_H
#define REPORT_JUNIT_READER_H

#include <cleanroom/junit.h>

#include <libxml/parser.h>

#define JUNIT_DEPTH_MAX 64

enum junit_role {
    ROLE_OTHER, /* not of interest: attachments ... */
    ROLE_SUITES,
    ROLE_SUITE,
    ROLE_CASE,
    ROLE_PROPERTY,
    ROLE_STACK,
    ROLE_FAILURE,
    ROLE_ERROR,
    ROLE_SKIPPED,
    ROLE_RERUN_FAILURE,
    ROLE_RERUN_ERROR,
    ROLE_OUTPUT,
    ROLE_ERROR_OUTPUT,
};

struct junit_reader {
    xmlParserCtxt *parser;
    struct result *whole;       /* to which each suite is added, or NULL */
    struct result_suite *suite; /* to which cases are added */
    size_t cases;               /* that were added */
    size_t attribute_max;
    enum junit_role roles[JUNIT_DEPTH_MAX];
    char *suite_names[JUNIT_DEPTH_MAX];
    int depth;
    struct result_case *test;    /* the open one, last in suite->cases */
    int test_depth;              /* of the element that opened it */
    bool verdict;                /* an element has told the open case's status */
    struct result_rerun *rerun;  /* the open one, last in test->reruns */
    bool stack;                  /* it has a stackTrace, so what stands beside that are blanks */
    struct capture text, output; /* of the case */
    struct capture rerun_text, rerun_output;
    char *message;     /* the open case's first, whole */
    size_t properties; /* that were seen */
    bool complete;     /* the root element was closed */
    bool broken;       /* by more than stray characters */
    char *problem;     /* why the document is refused */
};

/* The first problem stands. Takes it. */
void junit_refuse(struct junit_reader *r, char *problem);

enum junit_role junit_find_role(const char *name);
/* An element begins. Returns its role: ROLE_OTHER where it has no business to be. SAX2 attributes
   come in fives: local name, prefix, URI, begin and end of the value. */
enum junit_role junit_begin(struct junit_reader *r, enum junit_role role,
                            const xmlChar **attributes, int count);
/* It has ended; r->depth is its own again. */
void junit_end(struct junit_reader *r);
/* Where the text of the innermost element goes, or NULL. */
struct capture *junit_text(struct junit_reader *r);

#endif

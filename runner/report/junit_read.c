/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the JUnit dialects of surefire, pytest, jest, googletest, PHPUnit, CTest and their kin.
 *
 * libxml2's parser with event handlers of our own and no others: there is none for entity
 * declarations, so nothing can be expanded or loaded, a document type ends the parse, and no tree
 * is built. Its own limits (XML_PARSE_HUGE) can therefore be lifted: a suite may print more than 10
 * MB.
 *
 * Many a framework writes raw terminal colours into its report, which no XML parser accepts. Such a
 * document is cleaned and read once more, and believed when it is otherwise whole.
 */
#include <cleanroom/junit.h>

#include <string.h>

#include <libxml/parserInternals.h>

#include "report/junit_facts.h"
#include "report/junit_reader.h"
#include "report/text.h"

#define DOCUMENT_MAX  ((size_t)32 << 20)
#define TEXT_HEAD     ((size_t)32 << 10)
#define TEXT_TAIL     ((size_t)32 << 10)
#define ATTRIBUTE_MAX ((size_t)4 << 10)

/* What we wrote ourselves was bounded then, before it was cleaned, which makes it longer; to cut it
   again would belie the number of bytes that it says were left out. */
#define OWN_DOCUMENT_MAX  ((size_t)256 << 20)
#define OWN_TEXT_TAIL     ((size_t)640 << 10)
#define OWN_ATTRIBUTE_MAX ((size_t)32 << 10)

void junit_refuse(struct junit_reader *r, char *problem)
{
    if (!r->problem)
        r->problem = TAKE_PTR(problem);
    free(problem);
    xmlStopParser(r->parser);
}

static void on_start(void *context, const xmlChar *name, const xmlChar *prefix _unused_,
                     const xmlChar *uri _unused_, int namespaces _unused_,
                     const xmlChar **namespace_list _unused_, int count, int defaulted _unused_,
                     const xmlChar **attributes)
{
    struct junit_reader *r = context;
    if (r->problem)
        return;
    if (r->depth == JUNIT_DEPTH_MAX) {
        junit_refuse(r, xasprintf("elements more than %d deep", JUNIT_DEPTH_MAX));
        return;
    }

    enum junit_role role = junit_find_role((const char *)name);
    if (r->depth == 0 && role != ROLE_SUITES && role != ROLE_SUITE) {
        _cleanup_free_ char *shown = text_bounded((const char *)name, 64);
        junit_refuse(r, xasprintf("its root element is '%s', not testsuites or testsuite", shown));
        return;
    }
    role = junit_begin(r, role, attributes, count);
    r->roles[r->depth++] = role;
}

static void on_end(void *context, const xmlChar *name _unused_, const xmlChar *prefix _unused_,
                   const xmlChar *uri _unused_)
{
    struct junit_reader *r = context;
    if (r->problem || r->depth == 0)
        return;
    r->depth--;
    free(r->suite_names[r->depth]);
    r->suite_names[r->depth] = NULL;

    junit_end(r);
    r->complete = r->depth == 0;
}

static void on_text(void *context, const xmlChar *text, int len)
{
    struct junit_reader *r = context;
    struct capture *to = r->problem || r->depth == 0 ? NULL : junit_text(r);
    if (to)
        capture_add(to, text, (size_t)len);
}

static void on_document_type(void *context, const xmlChar *name _unused_,
                             const xmlChar *external _unused_, const xmlChar *location _unused_)
{
    junit_refuse(context, xstrdup("it declares a document type, which no JUnit report does"));
}

/* What may be wrong with a document that is still whole: stray characters, and a bare "&". */
static void on_error(void *context, const xmlError *error)
{
    static const int harmless[] = {XML_ERR_INVALID_CHAR, XML_ERR_INVALID_CHARREF,
                                   XML_ERR_NAME_REQUIRED, XML_ERR_ENTITYREF_SEMICOL_MISSING,
                                   XML_ERR_UNDECLARED_ENTITY};
    struct junit_reader *r = context;
    for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
        if (error->code == harmless[i])
            return;
    r->broken = r->broken || error->level >= XML_ERR_ERROR;
}

static void reader_deinit(struct junit_reader *r)
{
    xmlFreeParserCtxt(r->parser);
    for (int i = 0; i < JUNIT_DEPTH_MAX; i++)
        free(r->suite_names[i]);
    capture_deinit(&r->text);
    capture_deinit(&r->output);
    capture_deinit(&r->rerun_text);
    capture_deinit(&r->rerun_output);
    free(r->message);
    free(r->problem);
}

static char *parser_problem(xmlParserCtxt *parser)
{
    const xmlError *e = xmlCtxtGetLastError(parser);
    _cleanup_free_ char *what = text_first_line(e ? e->message : NULL, 200);
    return xasprintf("not well-formed XML (line %d: %s)", e ? e->line : 0,
                     what ? what : "ends too early");
}

static void reader_init(struct junit_reader *r, struct result_suite *suite, struct result *whole)
{
    size_t tail = whole ? OWN_TEXT_TAIL : TEXT_TAIL;
    *r = (struct junit_reader){
        .suite = suite, .whole = whole, .attribute_max = whole ? OWN_ATTRIBUTE_MAX : ATTRIBUTE_MAX};
    struct capture *const captures[] = {&r->text, &r->output, &r->rerun_text, &r->rerun_output};
    for (size_t i = 0; i < ARRAY_SIZE(captures); i++)
        capture_init(captures[i], TEXT_HEAD, tail);
}

struct document {
    const char *xml;
    size_t len;
    int options;
};

/* One pass. On failure *problem tells why, and *again whether a cleaned document might fare better;
   what was added by then is the caller's to remove. */
static long read_once(const struct document *d, struct junit_reader *r, char **problem, bool *again)
{
    r->parser = xmlCreateMemoryParserCtxt(d->xml, (int)d->len);
    if (!r->parser) {
        *problem = xstrdup("it is empty");
        return -1;
    }
    *r->parser->sax = (xmlSAXHandler){
        .initialized = XML_SAX2_MAGIC,
        .startElementNs = on_start,
        .endElementNs = on_end,
        .characters = on_text,
        .cdataBlock = on_text,
        .internalSubset = on_document_type,
        .serror = (xmlStructuredErrorFunc)on_error,
    };
    r->parser->userData = r;
    /* NOENT: attributes come decoded. It is but the five predefined entities that there can be. */
    xmlCtxtUseOptions(r->parser, d->options | XML_PARSE_NOENT | XML_PARSE_NONET | XML_PARSE_HUGE);

    int parsed = xmlParseDocument(r->parser);
    bool healed = (d->options & XML_PARSE_RECOVER) && r->complete && !r->broken;
    if (!r->problem && (parsed == 0 || healed))
        return (long)r->cases;
    *again = !r->problem;
    *problem = r->problem ? TAKE_PTR(r->problem) : parser_problem(r->parser);
    return -1;
}

static long read_cases(const struct document *d, void *data, char **problem, bool *again)
{
    struct result_suite *suite = data;
    size_t first = suite->cases.len;
    _cleanup_(reader_deinit) struct junit_reader r;
    reader_init(&r, suite, NULL);
    long count = read_once(d, &r, problem, again);
    if (count < 0)
        result_suite_truncate(suite, first);
    return count;
}

static long read_suites(const struct document *d, void *data, char **problem, bool *again)
{
    _cleanup_(result_deinit) struct result whole = {0};
    _cleanup_(reader_deinit) struct junit_reader r;
    reader_init(&r, NULL, &whole);
    long count = read_once(d, &r, problem, again);
    if (count >= 0 && r.roles[0] == ROLE_SUITE)
        junit_drop_root(&whole);
    if (count >= 0)
        junit_take_over(data, &whole);
    return count;
}

/* As it is, and if that fails for stray characters, cleaned. */
static long read_document(const char *xml, size_t len,
                          long (*pass)(const struct document *, void *, char **, bool *),
                          void *data, struct error *err)
{
    _cleanup_free_ char *problem = NULL;
    bool again = false;
    long count = pass(&(struct document){xml, len, 0}, data, &problem, &again);
    if (count >= 0)
        return count;

    if (again) {
        _cleanup_strbuf_ struct strbuf clean = STRBUF_INIT;
        text_clean(&clean, xml, len, false);
        _cleanup_free_ char *second = NULL;
        struct document d = {clean.buf, clean.len, XML_PARSE_RECOVER};
        count = pass(&d, data, &second, &again);
    }
    return count >= 0 ? count : error_set(err, ERROR_INTERNAL, "%s", problem);
}

long junit_read(const char *xml, size_t len, struct result_suite *suite, struct error *err)
{
    if (len > DOCUMENT_MAX)
        return error_set(err, ERROR_INTERNAL, "longer than %zu MiB", DOCUMENT_MAX >> 20);
    return read_document(xml, len, read_cases, suite, err);
}

long junit_read_suites(const char *xml, size_t len, struct result *r, struct error *err)
{
    if (len > OWN_DOCUMENT_MAX)
        return error_set(err, ERROR_INTERNAL, "longer than %zu MiB", OWN_DOCUMENT_MAX >> 20);
    return read_document(xml, len, read_suites, r, err);
}

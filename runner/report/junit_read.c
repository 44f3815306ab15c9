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
#include <cleanroom/result.h>

#include <string.h>

#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#include "report/text.h"

#define DOCUMENT_MAX  ((size_t)32 << 20)
#define DEPTH_MAX     64
#define CASES_MAX     100000
#define TEXT_HEAD     ((size_t)32 << 10)
#define TEXT_TAIL     ((size_t)32 << 10)
#define ATTRIBUTE_MAX ((size_t)4 << 10)
#define SECONDS_MAX   1e9

enum role {
    ROLE_OTHER, /* not of interest: properties, attachments ... */
    ROLE_SUITES,
    ROLE_SUITE,
    ROLE_CASE,
    ROLE_FAILURE,
    ROLE_ERROR,
    ROLE_SKIPPED,
    ROLE_OUTPUT,
};

static const struct {
    const char *name;
    enum role role;
} elements[] = {
    {"testsuites", ROLE_SUITES}, {"testsuite", ROLE_SUITE},   {"testcase", ROLE_CASE},
    {"failure", ROLE_FAILURE},   {"error", ROLE_ERROR},       {"skipped", ROLE_SKIPPED},
    {"system-out", ROLE_OUTPUT}, {"system-err", ROLE_OUTPUT},
};

/* Words of `status` and `result` attributes, where no element tells. */
static const struct {
    const char *word;
    enum case_status status;
} verdicts[] = {
    {"notrun", CASE_SKIPPED},  {"disabled", CASE_SKIPPED}, {"suppressed", CASE_SKIPPED},
    {"skipped", CASE_SKIPPED}, {"ignored", CASE_SKIPPED},  {"pending", CASE_SKIPPED},
    {"failed", CASE_FAILED},   {"fail", CASE_FAILED},      {"failure", CASE_FAILED},
    {"error", CASE_ERROR},
};

struct reader {
    xmlParserCtxt *parser;
    struct result_suite *suite;
    size_t first; /* suite->cases.len at the begin */
    enum role roles[DEPTH_MAX];
    char *suite_names[DEPTH_MAX];
    int depth;
    struct result_case *test; /* the open one, last in suite->cases */
    int test_depth;           /* of the element that opened it */
    bool verdict;             /* an element has told the open case's status */
    struct capture text, output;
    char *message; /* the open case's first, whole */
    bool complete; /* the root element was closed */
    bool broken;   /* by more than stray characters */
    char *problem; /* why the document is refused */
};

static void refuse(struct reader *r, char *problem)
{
    if (!r->problem)
        r->problem = TAKE_PTR(problem);
    free(problem);
    xmlStopParser(r->parser);
}

/* SAX2 attributes come in fives: local name, prefix, URI, begin and end of the value. */
static char *get_attribute(const xmlChar **attributes, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        const xmlChar **a = attributes + (size_t)i * 5;
        if (strcmp((const char *)a[0], name) != 0)
            continue;
        _cleanup_free_ char *value = xstrndup((const char *)a[3], (size_t)(a[4] - a[3]));
        return text_bounded(value, ATTRIBUTE_MAX);
    }
    return NULL;
}

/* One comma that cannot be a thousands separator is a decimal one. */
static bool has_decimal_comma(const char *s)
{
    const char *comma = strchr(s, ',');
    if (!comma || strpbrk(comma + 1, ".,"))
        return false;
    return strspn(comma + 1, "0123456789") != 3 || (s[0] == '0' && comma == s + 1);
}

/* "12.5", "1,234.5" (surefire groups thousands), "0,25" (and follows the locale), "1e-05". */
static nsec_t parse_seconds(const char *s)
{
    bool decimal_comma = has_decimal_comma(s);
    double value = 0, unit = 1;
    bool fraction = false;
    for (; (*s >= '0' && *s <= '9') || *s == '.' || *s == ','; s++) {
        fraction |= *s == (decimal_comma ? ',' : '.');
        if (*s == '.' || *s == ',')
            continue;
        value = value * 10 + (*s - '0');
        unit *= fraction ? 10 : 1;
    }
    long exponent = *s == 'e' || *s == 'E' ? strtol(s + 1, NULL, 10) : 0;
    for (int i = 0; i < 30 && exponent < 0; i++, exponent++)
        unit *= 10;
    for (int i = 0; i < 30 && exponent > 0; i++, exponent--)
        value *= 10;

    value /= unit;
    if (!(value >= 0)) /* thousands of digits make a NaN */
        return 0;
    return (nsec_t)((value < SECONDS_MAX ? value : SECONDS_MAX) * 1e9 + 0.5);
}

static void apply_verdict(struct result_case *c, const xmlChar **attributes, int count)
{
    static const char *const names[] = {"status", "result"};
    for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
        _cleanup_free_ char *word = get_attribute(attributes, count, names[n]);
        for (size_t i = 0; word && i < ARRAY_SIZE(verdicts); i++)
            if (strcasecmp(word, verdicts[i].word) == 0 && c->status == CASE_PASSED)
                c->status = verdicts[i].status;
    }
}

static const char *suite_name(const struct reader *r)
{
    for (int i = r->depth - 1; i >= 0; i--)
        if (r->suite_names[i] && *r->suite_names[i])
            return r->suite_names[i];
    return "unnamed";
}

static void add_case(struct reader *r, const char *classname, const char *name, nsec_t duration)
{
    if (r->suite->cases.len - r->first >= CASES_MAX) {
        refuse(r, xasprintf("more than %d test cases", CASES_MAX));
        return;
    }
    r->test = result_add_case(r->suite, classname && *classname ? classname : suite_name(r),
                              name && *name ? name : "unnamed", CASE_PASSED, duration);
    r->test_depth = r->depth;
    r->verdict = false;
}

static void begin_case(struct reader *r, const xmlChar **attributes, int count)
{
    if (r->test) /* no dialect nests them */
        return;
    _cleanup_free_ char *classname = get_attribute(attributes, count, "classname");
    _cleanup_free_ char *name = get_attribute(attributes, count, "name");
    _cleanup_free_ char *time = get_attribute(attributes, count, "time");
    add_case(r, classname, name, time ? parse_seconds(time) : 0);
    if (r->test)
        apply_verdict(r->test, attributes, count);
}

/* A failure of the suite itself (its setup, a file that cannot be loaded) has no case: make one. */
static void begin_problem(struct reader *r, enum role role, const xmlChar **attributes, int count)
{
    static const enum case_status statuses[] = {
        [ROLE_FAILURE] = CASE_FAILED, [ROLE_ERROR] = CASE_ERROR, [ROLE_SKIPPED] = CASE_SKIPPED};
    if (!r->test && r->roles[r->depth - 1] == ROLE_SUITE && role != ROLE_SKIPPED)
        add_case(r, NULL, "(suite)", 0);
    if (!r->test)
        return;

    if (!r->verdict || r->test->status == CASE_SKIPPED)
        r->test->status = statuses[role];
    r->verdict = true;
    if (!r->message)
        r->message = get_attribute(attributes, count, "message");
    if (!r->test->type)
        r->test->type = get_attribute(attributes, count, "type");
    if (r->text.total) /* googletest tells several failures of one test */
        capture_add(&r->text, "\n", 1);
}

static void move_text(struct capture *from, char **to)
{
    if (from->total)
        *to = capture_text(from, NULL);
    struct capture fresh;
    capture_init(&fresh, from->head_max, from->tail_max);
    capture_deinit(from);
    *from = fresh;
}

static void end_case(struct reader *r)
{
    struct result_case *c = TAKE_PTR(r->test);
    move_text(&r->text, &c->text);
    move_text(&r->output, &c->output);
    c->message = text_first_line(r->message ? r->message : c->text, ATTRIBUTE_MAX);
    if (!c->text && r->message && strchr(r->message, '\n'))
        c->text = TAKE_PTR(r->message);
    free(r->message);
    r->message = NULL;
}

static enum role find_role(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(elements); i++)
        if (strcmp(name, elements[i].name) == 0)
            return elements[i].role;
    return ROLE_OTHER;
}

/* Only a direct child of a case or a suite is its failure or output. */
static bool in_case_or_suite(const struct reader *r)
{
    enum role parent = r->depth ? r->roles[r->depth - 1] : ROLE_OTHER;
    return parent == ROLE_CASE || parent == ROLE_SUITE;
}

static void on_start(void *context, const xmlChar *name, const xmlChar *prefix _unused_,
                     const xmlChar *uri _unused_, int namespaces _unused_,
                     const xmlChar **namespace_list _unused_, int count, int defaulted _unused_,
                     const xmlChar **attributes)
{
    struct reader *r = context;
    if (r->problem)
        return;
    if (r->depth == DEPTH_MAX) {
        refuse(r, xasprintf("elements more than %d deep", DEPTH_MAX));
        return;
    }

    enum role role = find_role((const char *)name);
    if (r->depth == 0 && role != ROLE_SUITES && role != ROLE_SUITE) {
        _cleanup_free_ char *shown = text_bounded((const char *)name, 64);
        refuse(r, xasprintf("its root element is '%s', not testsuites or testsuite", shown));
        return;
    }
    if (role == ROLE_SUITE)
        r->suite_names[r->depth] = get_attribute(attributes, count, "name");
    else if (role == ROLE_CASE)
        begin_case(r, attributes, count);
    else if (role >= ROLE_FAILURE && !in_case_or_suite(r))
        role = ROLE_OTHER;
    else if (role >= ROLE_FAILURE && role <= ROLE_SKIPPED)
        begin_problem(r, role, attributes, count);
    r->roles[r->depth++] = role;
}

static void on_end(void *context, const xmlChar *name _unused_, const xmlChar *prefix _unused_,
                   const xmlChar *uri _unused_)
{
    struct reader *r = context;
    if (r->problem || r->depth == 0)
        return;
    r->depth--;
    free(r->suite_names[r->depth]);
    r->suite_names[r->depth] = NULL;

    if (r->test && r->depth == r->test_depth)
        end_case(r);
    r->complete = r->depth == 0;
}

static void on_text(void *context, const xmlChar *text, int len)
{
    struct reader *r = context;
    if (r->problem || !r->test || r->depth == 0)
        return;
    enum role role = r->roles[r->depth - 1];
    if (role == ROLE_OUTPUT)
        capture_add(&r->output, text, (size_t)len);
    else if (role >= ROLE_FAILURE && role <= ROLE_SKIPPED)
        capture_add(&r->text, text, (size_t)len);
}

static void on_document_type(void *context, const xmlChar *name _unused_,
                             const xmlChar *external _unused_, const xmlChar *location _unused_)
{
    refuse(context, xstrdup("it declares a document type, which no JUnit report does"));
}

/* What may be wrong with a document that is still whole: stray characters, and a bare "&". */
static void on_error(void *context, const xmlError *error)
{
    static const int harmless[] = {XML_ERR_INVALID_CHAR, XML_ERR_INVALID_CHARREF,
                                   XML_ERR_NAME_REQUIRED, XML_ERR_ENTITYREF_SEMICOL_MISSING,
                                   XML_ERR_UNDECLARED_ENTITY};
    struct reader *r = context;
    for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
        if (error->code == harmless[i])
            return;
    r->broken = r->broken || error->level >= XML_ERR_ERROR;
}

static void reader_deinit(struct reader *r)
{
    xmlFreeParserCtxt(r->parser);
    for (int i = 0; i < DEPTH_MAX; i++)
        free(r->suite_names[i]);
    capture_deinit(&r->text);
    capture_deinit(&r->output);
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

/* One pass. On failure nothing has been added, and *problem tells why; *again, whether a cleaned
   document might fare better. */
static long read_once(const char *xml, size_t len, int options, struct result_suite *suite,
                      char **problem, bool *again)
{
    _cleanup_(reader_deinit) struct reader r = {.suite = suite, .first = suite->cases.len};
    capture_init(&r.text, TEXT_HEAD, TEXT_TAIL);
    capture_init(&r.output, TEXT_HEAD, TEXT_TAIL);
    r.parser = xmlCreateMemoryParserCtxt(xml, (int)len);
    if (!r.parser) {
        *problem = xstrdup("it is empty");
        return -1;
    }
    *r.parser->sax = (xmlSAXHandler){
        .initialized = XML_SAX2_MAGIC,
        .startElementNs = on_start,
        .endElementNs = on_end,
        .characters = on_text,
        .cdataBlock = on_text,
        .internalSubset = on_document_type,
        .serror = (xmlStructuredErrorFunc)on_error,
    };
    r.parser->userData = &r;
    xmlCtxtUseOptions(r.parser, options | XML_PARSE_NONET | XML_PARSE_HUGE);

    int parsed = xmlParseDocument(r.parser);
    bool healed = (options & XML_PARSE_RECOVER) && r.complete && !r.broken;
    if (!r.problem && (parsed == 0 || healed))
        return (long)(suite->cases.len - r.first);
    *again = !r.problem;
    *problem = r.problem ? TAKE_PTR(r.problem) : parser_problem(r.parser);
    result_suite_truncate(suite, r.first);
    return -1;
}

long junit_read(const char *xml, size_t len, struct result_suite *suite, struct error *err)
{
    if (len > DOCUMENT_MAX)
        return error_set(err, ERROR_INTERNAL, "longer than %zu MiB", DOCUMENT_MAX >> 20);

    _cleanup_free_ char *problem = NULL;
    bool again = false;
    long count = read_once(xml, len, 0, suite, &problem, &again);
    if (count >= 0)
        return count;

    if (again) {
        _cleanup_strbuf_ struct strbuf clean = STRBUF_INIT;
        text_clean(&clean, xml, len, false);
        _cleanup_free_ char *second = NULL;
        count = read_once(clean.buf, clean.len, XML_PARSE_RECOVER, suite, &second, &again);
    }
    return count >= 0 ? count : error_set(err, ERROR_INTERNAL, "%s", problem);
}

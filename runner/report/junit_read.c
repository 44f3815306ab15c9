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

#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#include "report/junit_facts.h"
#include "report/text.h"

#define DOCUMENT_MAX   ((size_t)32 << 20)
#define DEPTH_MAX      64
#define CASES_MAX      100000
#define PROPERTIES_MAX 100000
#define RERUNS_MAX     100 /* of a case; more are left out */
#define TEXT_HEAD      ((size_t)32 << 10)
#define TEXT_TAIL      ((size_t)32 << 10)
#define ATTRIBUTE_MAX  ((size_t)4 << 10)
#define SECONDS_MAX    1e9
#define LINE_MAX_KNOWN (1L << 30)

/* What we wrote ourselves was bounded then, before it was cleaned, which makes it longer; to cut it
   again would belie the number of bytes that it says were left out. */
#define OWN_DOCUMENT_MAX  ((size_t)256 << 20)
#define OWN_TEXT_TAIL     ((size_t)640 << 10)
#define OWN_ATTRIBUTE_MAX ((size_t)32 << 10)

enum role {
    ROLE_OTHER, /* not of interest: properties, attachments ... */
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

static const struct {
    const char *name;
    enum role role;
} elements[] = {
    {"testsuites", ROLE_SUITES},
    {"testsuite", ROLE_SUITE},
    {"testcase", ROLE_CASE},
    {"property", ROLE_PROPERTY},
    {"stackTrace", ROLE_STACK},
    {"failure", ROLE_FAILURE},
    {"error", ROLE_ERROR},
    {"skipped", ROLE_SKIPPED},
    {"flakyFailure", ROLE_RERUN_FAILURE},
    {"rerunFailure", ROLE_RERUN_FAILURE},
    {"flakyError", ROLE_RERUN_ERROR},
    {"rerunError", ROLE_RERUN_ERROR},
    {"system-out", ROLE_OUTPUT},
    {"system-err", ROLE_ERROR_OUTPUT},
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
    struct result *whole;       /* to which each suite is added, or NULL */
    struct result_suite *suite; /* to which cases are added */
    size_t cases;               /* that were added */
    size_t attribute_max;
    enum role roles[DEPTH_MAX];
    char *suite_names[DEPTH_MAX];
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

static enum role find_role(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(elements); i++)
        if (strcmp(name, elements[i].name) == 0)
            return elements[i].role;
    return ROLE_OTHER;
}

static bool is_rerun(enum role role)
{
    return role == ROLE_RERUN_FAILURE || role == ROLE_RERUN_ERROR;
}

static bool is_problem(enum role role)
{
    return role == ROLE_FAILURE || role == ROLE_ERROR || role == ROLE_SKIPPED;
}

static bool is_output(enum role role)
{
    return role == ROLE_OUTPUT || role == ROLE_ERROR_OUTPUT;
}

static void refuse(struct reader *r, char *problem)
{
    if (!r->problem)
        r->problem = TAKE_PTR(problem);
    free(problem);
    xmlStopParser(r->parser);
}

/* SAX2 attributes come in fives: local name, prefix, URI, begin and end of the value. */
static char *get_attribute(const struct reader *r, const xmlChar **attributes, int count,
                           const char *name)
{
    for (int i = 0; i < count; i++) {
        const xmlChar **a = attributes + (size_t)i * 5;
        if (strcmp((const char *)a[0], name) != 0)
            continue;
        _cleanup_free_ char *value = xstrndup((const char *)a[3], (size_t)(a[4] - a[3]));
        return text_bounded(value, r->attribute_max);
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

static void apply_verdict(const struct reader *r, struct result_case *c, const xmlChar **attributes,
                          int count)
{
    static const char *const names[] = {"status", "result"};
    for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
        _cleanup_free_ char *word = get_attribute(r, attributes, count, names[n]);
        for (size_t i = 0; word && i < ARRAY_SIZE(verdicts); i++)
            if (strcasecmp(word, verdicts[i].word) == 0 && c->status == CASE_PASSED)
                c->status = verdicts[i].status;
    }
}

static const char *suite_name(const struct reader *r, int depth)
{
    for (int i = depth - 1; i >= 0; i--)
        if (r->suite_names[i] && *r->suite_names[i])
            return r->suite_names[i];
    return "unnamed";
}

/* 0: not known. */
static long parse_line(const char *s)
{
    long line = s ? strtol(s, NULL, 10) : 0;
    return line > 0 && line < LINE_MAX_KNOWN ? line : 0;
}

static void add_case(struct reader *r, const char *classname, const char *name, nsec_t duration)
{
    if (r->cases >= CASES_MAX) {
        refuse(r, xasprintf("more than %d test cases", CASES_MAX));
        return;
    }
    r->cases++;
    if (!r->suite)
        r->suite = junit_add_suite(r->whole, suite_name(r, r->depth));
    r->test = result_add_case(r->suite,
                              classname && *classname ? classname : suite_name(r, r->depth),
                              name && *name ? name : "unnamed", CASE_PASSED, duration);
    r->test_depth = r->depth;
    r->verdict = false;
}

static void begin_case(struct reader *r, const xmlChar **attributes, int count)
{
    if (r->test) /* no dialect nests them */
        return;
    _cleanup_free_ char *classname = get_attribute(r, attributes, count, "classname");
    _cleanup_free_ char *name = get_attribute(r, attributes, count, "name");
    _cleanup_free_ char *time = get_attribute(r, attributes, count, "time");
    _cleanup_free_ char *line = get_attribute(r, attributes, count, "line");
    _cleanup_free_ char *group = r->whole ? get_attribute(r, attributes, count, "group") : NULL;
    if (group && r->roles[0] == ROLE_SUITE)
        r->suite = junit_find_suite(r->whole, group);
    add_case(r, classname, name, time ? parse_seconds(time) : 0);
    if (!r->test)
        return;
    apply_verdict(r, r->test, attributes, count);
    r->test->file = get_attribute(r, attributes, count, "file");
    r->test->line = parse_line(line);
}

/* "failure" for a failure says nothing: it stands where a dialect demands a type. */
static char *get_type(const struct reader *r, const xmlChar **attributes, int count)
{
    char *type = get_attribute(r, attributes, count, "type");
    enum role role = type ? find_role(type) : ROLE_OTHER;
    if (!is_problem(role))
        return type;
    free(type);
    return NULL;
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
        r->message = get_attribute(r, attributes, count, "message");
    if (!r->test->type)
        r->test->type = get_type(r, attributes, count);
    if (r->text.total) /* googletest tells several failures of one test */
        capture_add(&r->text, "\n", 1);
}

static char *take_text(struct capture *from)
{
    char *text = from->total ? capture_text(from, NULL) : NULL;
    capture_deinit(from);
    return text;
}

/* The first line is the message where none was given. */
static char *message_of(const struct reader *r, const char *message, const char *text)
{
    return text_first_line(message ? message : text, r->attribute_max);
}

static void begin_rerun(struct reader *r, enum role role, const xmlChar **attributes, int count)
{
    if (!r->test || r->rerun || r->test->reruns.len == RERUNS_MAX)
        return;
    r->rerun = vec_push(&r->test->reruns);
    r->rerun->status = role == ROLE_RERUN_ERROR ? CASE_ERROR : CASE_FAILED;
    r->rerun->message = get_attribute(r, attributes, count, "message");
    r->rerun->type = get_type(r, attributes, count);
    r->stack = false;
}

/* Without a stackTrace its text is the element's own, as surefire had it once. */
static void begin_stack(struct reader *r)
{
    capture_deinit(&r->rerun_text);
    r->stack = true;
}

static void end_rerun(struct reader *r)
{
    struct result_rerun *rerun = TAKE_PTR(r->rerun);
    rerun->text = take_text(&r->rerun_text);
    rerun->output = take_text(&r->rerun_output);
    if (rerun->text && !r->stack && rerun->text[strspn(rerun->text, " \t\r\n")] == '\0') {
        free(rerun->text);
        rerun->text = NULL;
    }
    char *message = message_of(r, rerun->message, rerun->text);
    free(rerun->message);
    rerun->message = message;
}

static void end_case(struct reader *r)
{
    struct result_case *c = TAKE_PTR(r->test);
    c->text = take_text(&r->text);
    c->output = take_text(&r->output);
    c->message = message_of(r, r->message, c->text);
    if (!c->text && r->message && strchr(r->message, '\n'))
        c->text = TAKE_PTR(r->message);
    free(r->message);
    r->message = NULL;
}

/* Suites within suites are parts of the outermost one. */
static void begin_suite(struct reader *r, const xmlChar **attributes, int count)
{
    r->suite_names[r->depth] = get_attribute(r, attributes, count, "name");
    if (!r->whole || (r->depth > 0 && r->roles[r->depth - 1] != ROLE_SUITES))
        return;
    _cleanup_free_ char *time = get_attribute(r, attributes, count, "time");
    _cleanup_free_ char *timestamp = get_attribute(r, attributes, count, "timestamp");
    r->suite = junit_add_suite(r->whole, suite_name(r, r->depth + 1));
    r->suite->duration = time ? parse_seconds(time) : 0;
    r->suite->started_wall = junit_parse_timestamp(timestamp);
    r->suite->hostname = get_attribute(r, attributes, count, "hostname");
}

static void begin_suites(struct reader *r, const xmlChar **attributes, int count)
{
    if (!r->whole || r->depth > 0)
        return;
    _cleanup_free_ char *time = get_attribute(r, attributes, count, "time");
    r->whole->name = get_attribute(r, attributes, count, "name");
    r->whole->duration = time ? parse_seconds(time) : 0;
}

static void begin_property(struct reader *r, const xmlChar **attributes, int count)
{
    if (!r->whole || !r->suite || r->test)
        return;
    _cleanup_free_ char *name = get_attribute(r, attributes, count, "name");
    _cleanup_free_ char *value = get_attribute(r, attributes, count, "value");
    if (!name || r->properties++ >= PROPERTIES_MAX)
        return;
    /* In the one suite of surefire's form they say whose they are. */
    struct result_suite *s = r->suite;
    const char *key = r->roles[0] == ROLE_SUITE ? junit_property_suite(r->whole, name, &s) : name;
    junit_hear_property(r->whole, s, key, value ? value : "");
    r->suite = r->roles[0] == ROLE_SUITE ? &r->whole->suites.items[0] : r->suite;
}

/* What belongs to a case, a suite or a rerun is their direct child, and of no meaning elsewhere. */
static bool in_its_place(const struct reader *r, enum role role)
{
    enum role parent = r->depth ? r->roles[r->depth - 1] : ROLE_OTHER;
    bool in_rerun = is_rerun(parent) && r->rerun;
    if (role == ROLE_STACK)
        return in_rerun;
    if (is_rerun(role))
        return parent == ROLE_CASE;
    if (is_output(role))
        return in_rerun || parent == ROLE_CASE || parent == ROLE_SUITE;
    return role < ROLE_FAILURE || parent == ROLE_CASE || parent == ROLE_SUITE;
}

static void begin_element(struct reader *r, enum role role, const xmlChar **attributes, int count)
{
    static void (*const begin[])(struct reader *, const xmlChar **, int) = {
        [ROLE_SUITES] = begin_suites,
        [ROLE_SUITE] = begin_suite,
        [ROLE_CASE] = begin_case,
        [ROLE_PROPERTY] = begin_property,
    };
    if (is_problem(role))
        begin_problem(r, role, attributes, count);
    else if (is_rerun(role))
        begin_rerun(r, role, attributes, count);
    else if (role == ROLE_STACK)
        begin_stack(r);
    else if (role < ARRAY_SIZE(begin) && begin[role])
        begin[role](r, attributes, count);
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
    if (!in_its_place(r, role))
        role = ROLE_OTHER;
    begin_element(r, role, attributes, count);
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

    enum role role = r->roles[r->depth];
    if (r->rerun && is_rerun(role))
        end_rerun(r);
    if (r->test && r->depth == r->test_depth)
        end_case(r);
    r->complete = r->depth == 0;
}

/* Where the text of the innermost element goes, or NULL. */
static struct capture *destination(struct reader *r)
{
    enum role role = r->roles[r->depth - 1];
    enum role parent = r->depth > 1 ? r->roles[r->depth - 2] : ROLE_OTHER;
    if (is_output(role) && parent == ROLE_SUITE && r->whole && r->suite)
        return role == ROLE_OUTPUT ? &r->suite->out : &r->suite->err;
    if (r->rerun && is_output(role))
        return &r->rerun_output;
    if (r->rerun)
        return role == ROLE_STACK || (!r->stack && is_rerun(role)) ? &r->rerun_text : NULL;
    if (r->test && is_output(role))
        return &r->output;
    return r->test && is_problem(role) ? &r->text : NULL;
}

static void on_text(void *context, const xmlChar *text, int len)
{
    struct reader *r = context;
    struct capture *to = r->problem || r->depth == 0 ? NULL : destination(r);
    if (to)
        capture_add(to, text, (size_t)len);
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

static void reader_init(struct reader *r, struct result_suite *suite, struct result *whole)
{
    size_t tail = whole ? OWN_TEXT_TAIL : TEXT_TAIL;
    *r = (struct reader){
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
static long read_once(const struct document *d, struct reader *r, char **problem, bool *again)
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
    xmlCtxtUseOptions(r->parser, d->options | XML_PARSE_NONET | XML_PARSE_HUGE);

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
    _cleanup_(reader_deinit) struct reader r;
    reader_init(&r, suite, NULL);
    long count = read_once(d, &r, problem, again);
    if (count < 0)
        result_suite_truncate(suite, first);
    return count;
}

static long read_suites(const struct document *d, void *data, char **problem, bool *again)
{
    _cleanup_(result_deinit) struct result whole = {0};
    _cleanup_(reader_deinit) struct reader r;
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

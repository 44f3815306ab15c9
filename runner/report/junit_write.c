/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JUnit report; <cleanroom/junit.h> tells its dialects. Times are printed from integers, so no
 * locale can spoil them.
 */
#include <cleanroom/junit.h>

#include <inttypes.h>
#include <string.h>

#include <libxml/xmlwriter.h>

#include "report/junit_facts.h"
#include "report/names.h"
#include "report/replace.h"
#include "report/text.h"

#define CASE_TEXT_MAX ((size_t)64 << 10)
#define ATTRIBUTE_MAX ((size_t)4 << 10)
#define NOTICE_MAX    ((size_t)64) /* what is said of bytes left out */
#define TIME_SIZE     32

struct form {
    bool one_suite;     /* the root is the only suite; the group of a case is the name of its own */
    bool suite_details; /* when and where it ran, and what it wrote */
    bool types;         /* are attributes */
    bool skipped_type;
    bool places;          /* file and line */
    bool text_is_all;     /* messages are not shown, nor the output of what passed */
    bool errors_of_rerun; /* known as such; else they are told as failures */
};

static const struct form forms[] = {
    [DIALECT_JENKINS] = {.suite_details = true, .types = true, .skipped_type = true},
    [DIALECT_SUREFIRE] = {.one_suite = true, .types = true, .errors_of_rerun = true},
    [DIALECT_GITLAB] = {.suite_details = true,
                        .skipped_type = true,
                        .places = true,
                        .text_is_all = true,
                        .errors_of_rerun = true},
};

struct document {
    xmlTextWriter *writer;
    const struct form *form;
    struct names suites;
    struct names cases;
    int suite_id;
};

static void document_deinit(struct document *d)
{
    xmlFreeTextWriter(d->writer);
    names_deinit(&d->suites);
    names_deinit(&d->cases);
}

static void open_element(struct document *d, const char *name)
{
    xmlTextWriterStartElement(d->writer, BAD_CAST name);
}

static void close_element(struct document *d)
{
    xmlTextWriterEndElement(d->writer);
}

/* As text_bounded(), but what was cut by it before (a report that was read) is not cut again: that
   would belie how much was left out. */
static char *bounded(const char *s, size_t max)
{
    size_t len = s ? strlen(s) : 0;
    return text_bounded(s, len <= max + NOTICE_MAX ? len : max);
}

static void clean_attribute(struct document *d, const char *name, const char *value)
{
    xmlTextWriterWriteAttribute(d->writer, BAD_CAST name, BAD_CAST value);
}

static void attribute(struct document *d, const char *name, const char *value)
{
    _cleanup_free_ char *clean = bounded(value ? value : "", ATTRIBUTE_MAX);
    clean_attribute(d, name, clean);
}

/* As it is shown, for what looks different may be shown the same. Never empty. */
static char *clean_name(const char *name)
{
    char *clean = bounded(name ? name : "", ATTRIBUTE_MAX);
    if (!*clean)
        replace_str(&clean, "unnamed");
    return clean;
}

static void number(struct document *d, const char *name, size_t value)
{
    char text[TIME_SIZE];
    (void)snprintf(text, sizeof(text), "%zu", value);
    attribute(d, name, text);
}

static void seconds(struct document *d, const char *name, nsec_t duration)
{
    nsec_t ms = duration > 0 ? (duration + NSEC_PER_MSEC / 2) / NSEC_PER_MSEC : 0;
    char text[TIME_SIZE];
    (void)snprintf(text, sizeof(text), "%" PRId64 ".%03d", ms / 1000, (int)(ms % 1000));
    attribute(d, name, text);
}

static void timestamp(struct document *d, nsec_t wall)
{
    char text[CLOCK_ISO_SIZE];
    clock_iso8601(wall, text, sizeof(text));
    text[JUNIT_TIMESTAMP_LENGTH] = '\0';
    attribute(d, "timestamp", text);
}

static void write_counts(struct document *d, const struct result_counts *counts)
{
    number(d, "tests", counts->tests);
    number(d, "failures", counts->failures);
    number(d, "errors", counts->errors);
}

static void write_properties(struct document *d, const struct strvec *properties)
{
    if (properties->len == 0)
        return;
    open_element(d, "properties");
    for (size_t i = 0; i < properties->len; i++) {
        const char *entry = properties->items[i];
        size_t key = strcspn(entry, "=");
        _cleanup_free_ char *name = xstrndup(entry, key);
        open_element(d, "property");
        attribute(d, "name", name);
        attribute(d, "value", entry[key] ? entry + key + 1 : "");
        close_element(d);
    }
    close_element(d);
}

/* Bounded; release with free(). */
static char *problem_text(const struct document *d, const struct result_rerun *p)
{
    const char *text = p->text ? p->text : "";
    if (!d->form->text_is_all || !p->message || strstr(text, p->message))
        return bounded(text, CASE_TEXT_MAX);
    bool typed = p->type && !strstr(p->message, p->type) && !strstr(text, p->type);
    _cleanup_free_ char *all = xasprintf("%s%s%s%s%s", typed ? p->type : "", typed ? ": " : "",
                                         p->message, *text ? "\n\n" : "", text);
    return bounded(all, CASE_TEXT_MAX);
}

static void write_string(struct document *d, const char *clean)
{
    if (*clean)
        xmlTextWriterWriteString(d->writer, BAD_CAST clean);
}

/* fallback: where a type must be, for the one that is not known. */
static void open_problem(struct document *d, const char *element, const struct result_rerun *p,
                         const char *fallback)
{
    const char *type = p->type ? p->type : fallback;
    open_element(d, element);
    if (p->message)
        attribute(d, "message", p->message);
    if (type && d->form->types)
        attribute(d, "type", type);
}

static const char *const problems[] = {
    [CASE_FAILED] = "failure", [CASE_ERROR] = "error", [CASE_SKIPPED] = "skipped"};

static void write_problem(struct document *d, const struct result_case *c)
{
    bool skipped = c->status == CASE_SKIPPED;
    const struct result_rerun p = {.message = c->message,
                                   .type = skipped && !d->form->skipped_type ? NULL : c->type,
                                   .text = c->text};
    _cleanup_free_ char *text = problem_text(d, &p);
    open_problem(d, problems[c->status], &p, skipped ? NULL : problems[c->status]);
    write_string(d, text);
    close_element(d);
}

static void write_output(struct document *d, const char *element, const char *clean)
{
    if (clean && *clean)
        xmlTextWriterWriteElement(d->writer, BAD_CAST element, BAD_CAST clean);
}

static void write_rerun(struct document *d, const char *element, const struct result_rerun *rerun)
{
    _cleanup_free_ char *text = problem_text(d, rerun);
    _cleanup_free_ char *output = bounded(rerun->output, CASE_TEXT_MAX);
    open_problem(d, element, rerun, problems[rerun->status]);
    open_element(d, "stackTrace");
    write_string(d, text);
    close_element(d);
    write_output(d, "system-out", output);
    close_element(d);
}

static void write_reruns(struct document *d, const struct result_case *c, enum case_status status)
{
    static const char *const elements[][2] = {[CASE_FAILED] = {"rerunFailure", "flakyFailure"},
                                              [CASE_ERROR] = {"rerunError", "flakyError"}};
    for (size_t i = 0; i < c->reruns.len; i++) {
        const struct result_rerun *rerun = &c->reruns.items[i];
        bool error = rerun->status == CASE_ERROR && d->form->errors_of_rerun;
        if (error == (status == CASE_ERROR))
            write_rerun(d, elements[status][result_case_is_flaky(c)], rerun);
    }
}

/* In surefire's order. */
static void write_outcomes(struct document *d, const struct result_case *c)
{
    if (c->status == CASE_FAILED)
        write_problem(d, c);
    write_reruns(d, c, CASE_FAILED);
    if (c->status == CASE_SKIPPED || c->status == CASE_ERROR)
        write_problem(d, c);
    write_reruns(d, c, CASE_ERROR);
}

/* group: or NULL. */
static void write_case(struct document *d, const struct result_case *c, const char *group)
{
    _cleanup_free_ char *classname = clean_name(c->classname), *wish = clean_name(c->name);
    _cleanup_free_ char *name = names_unique(&d->cases, classname, wish);
    _cleanup_free_ char *output = bounded(c->output, CASE_TEXT_MAX);
    bool bad = c->status == CASE_FAILED || c->status == CASE_ERROR;

    open_element(d, "testcase");
    clean_attribute(d, "classname", classname);
    clean_attribute(d, "name", name);
    seconds(d, "time", c->duration);
    if (group)
        clean_attribute(d, "group", group);
    if (c->file && d->form->places)
        attribute(d, "file", c->file);
    if (c->line > 0 && d->form->places)
        number(d, "line", (size_t)c->line);
    write_outcomes(d, c);
    if (bad || !d->form->text_is_all)
        write_output(d, "system-out", output);
    close_element(d);
}

static void write_capture(struct document *d, const char *element, const struct capture *c)
{
    size_t len;
    _cleanup_free_ char *raw = capture_text(c, &len);
    _cleanup_strbuf_ struct strbuf clean = STRBUF_INIT;
    text_clean(&clean, raw, len, false);
    write_output(d, element, clean.buf);
}

/* Release with free(). */
static char *suite_name(struct document *d, const struct result_suite *s)
{
    _cleanup_free_ char *wish = clean_name(s->name);
    return names_unique(&d->suites, "", wish);
}

static void write_suite(struct document *d, const struct result *r, const struct result_suite *s,
                        bool first)
{
    struct result_counts counts;
    result_suite_count(s, &counts);
    _cleanup_free_ char *name = suite_name(d, s);
    _cleanup_strvec_ struct strvec properties = STRVEC_INIT;
    if (first)
        junit_say_run(r, &properties);
    strvec_append(&properties, &s->properties);

    open_element(d, "testsuite");
    clean_attribute(d, "name", name);
    write_counts(d, &counts);
    number(d, "skipped", counts.skipped);
    seconds(d, "time", s->duration);
    timestamp(d, s->started_wall);
    attribute(d, "hostname", s->hostname ? s->hostname : r->hostname);
    number(d, "id", (size_t)d->suite_id++);
    if (r->name)
        attribute(d, "package", r->name);
    write_properties(d, &properties);
    for (size_t i = 0; i < s->cases.len; i++)
        write_case(d, &s->cases.items[i], NULL);
    write_capture(d, "system-out", &s->out);
    write_capture(d, "system-err", &s->err);
    close_element(d);
}

/* Jenkins does not show a suite without a case, so each one gets a case: `stand_in` if need be. */
static struct result_suite with_a_case(const struct result_suite *s, struct result_case *stand_in)
{
    struct result_suite shown = *s;
    if (shown.cases.len == 0) {
        shown.cases.items = stand_in;
        shown.cases.len = 1;
    }
    return shown;
}

/* What the report says besides its shards: that it is not the final one, or that there are none. */
struct extra {
    char suite_name[16], class_name[16], name[16], message[96];
    struct result_case test;
    struct result_suite suite;
};

static bool make_extra(struct extra *e, const struct result *r)
{
    if (r->finished && r->suites.len > 0)
        return false;
    *e = (struct extra){.suite_name = "cleanroom", .class_name = "cleanroom", .name = "run"};
    (void)snprintf(e->message, sizeof(e->message), "%s",
                   r->finished ? "nothing was run"
                               : JUNIT_UNFINISHED ": the run was interrupted or is still "
                                                  "going on");
    e->test = (struct result_case){
        .name = e->name, .classname = e->class_name, .status = CASE_ERROR, .message = e->message};
    e->suite = (struct result_suite){.name = e->suite_name, .started_wall = r->started_wall};
    e->suite.cases.items = &e->test;
    e->suite.cases.len = 1;
    return true;
}

static void add_counts(struct result_counts *sum, const struct result_suite *s)
{
    struct result_counts counts;
    result_suite_count(s, &counts);
    sum->tests += counts.tests;
    sum->failures += counts.failures;
    sum->errors += counts.errors;
    sum->skipped += counts.skipped;
}

/* Copies that own nothing. */
typedef VEC(struct result_suite) shown_suites;

static void write_suites(struct document *d, const struct result *r, const shown_suites *shown,
                         const struct result_counts *sum)
{
    open_element(d, "testsuites");
    attribute(d, "name", r->name ? r->name : "cleanroom");
    write_counts(d, sum);
    seconds(d, "time", r->duration);
    for (size_t i = 0; i < shown->len; i++)
        write_suite(d, r, &shown->items[i], i == 0);
    close_element(d);
}

static void write_one_suite(struct document *d, const struct result *r, const shown_suites *shown,
                            const struct result_counts *sum)
{
    _cleanup_strvec_ struct strvec names = STRVEC_INIT, properties = STRVEC_INIT;
    junit_say_run(r, &properties);
    for (size_t i = 0; i < shown->len; i++) {
        const struct result_suite *s = &shown->items[i];
        strvec_take(&names, suite_name(d, s));
        for (size_t k = 0; k < s->properties.len; k++)
            strvec_pushf(&properties, "%s" JUNIT_OF_SUITE "%s", names.items[i],
                         s->properties.items[k]);
    }

    open_element(d, "testsuite");
    attribute(d, "name", r->name ? r->name : "cleanroom");
    write_counts(d, sum);
    number(d, "skipped", sum->skipped);
    seconds(d, "time", r->duration);
    write_properties(d, &properties);
    for (size_t i = 0; i < shown->len; i++)
        for (size_t k = 0; k < shown->items[i].cases.len; k++)
            write_case(d, &shown->items[i].cases.items[k], names.items[i]);
    close_element(d);
}

static void write_document(struct document *d, const struct result *r)
{
    struct extra extra;
    char name[] = "run", classname[] = "cleanroom", message[] = "nothing was run here";
    struct result_case nothing = {
        .name = name, .classname = classname, .status = CASE_SKIPPED, .message = message};
    struct result_counts sum = {0};
    shown_suites shown = {0};
    if (make_extra(&extra, r))
        *vec_push(&shown) = extra.suite;
    for (size_t i = 0; i < r->suites.len; i++)
        *vec_push(&shown) = with_a_case(&r->suites.items[i], &nothing);
    for (size_t i = 0; i < shown.len; i++)
        add_counts(&sum, &shown.items[i]);

    if (d->form->one_suite)
        write_one_suite(d, r, &shown, &sum);
    else
        write_suites(d, r, &shown, &sum);
    vec_deinit(&shown);
}

/* The stream remembers its errors itself; libxml2 would only print them. */
static int write_bytes(void *context, const char *bytes, int len)
{
    (void)!fwrite(bytes, 1, (size_t)len, context);
    return len;
}

int junit_write(const struct result *r, enum junit_dialect dialect, int dir, const char *name,
                struct error *err)
{
    _cleanup_replacement_ struct replacement file;
    if (replacement_begin(&file, dir, name, err) < 0)
        return -1;

    xmlOutputBuffer *out = xmlOutputBufferCreateIO(write_bytes, NULL, file.file, NULL);
    _cleanup_(document_deinit) struct document d = {.writer = out ? xmlNewTextWriter(out) : NULL,
                                                    .form = &forms[dialect]};
    if (!d.writer)
        return error_set(err, ERROR_INTERNAL, "cannot write '%s': libxml2 gave no writer", name);
    xmlTextWriterSetIndent(d.writer, 1);
    xmlTextWriterSetIndentString(d.writer, BAD_CAST "  ");
    if (xmlTextWriterStartDocument(d.writer, NULL, "UTF-8", NULL) < 0)
        return error_set(err, ERROR_INTERNAL, "cannot write '%s': libxml2 refused to begin", name);
    write_document(&d, r);
    if (xmlTextWriterEndDocument(d.writer) < 0 || xmlTextWriterFlush(d.writer) < 0)
        return error_set(err, ERROR_INTERNAL, "cannot write '%s': libxml2 refused to end", name);
    return replacement_commit(&file, r->finished, err);
}

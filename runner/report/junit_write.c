/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JUnit report. Its form is what all common readers agree upon: Jenkins' junit-10.xsd, and on
 * top of it what GitLab (no name twice), Buildkite (classname always there), CircleCI (time) and
 * Azure (timestamp, hostname) want. Times are printed from integers, so no locale can spoil them.
 */
#include <cleanroom/junit.h>

#include <inttypes.h>
#include <string.h>

#include <libxml/xmlwriter.h>

#include "report/names.h"
#include "report/replace.h"
#include "report/text.h"

#define CASE_TEXT_MAX ((size_t)64 << 10)
#define ATTRIBUTE_MAX ((size_t)4 << 10)
#define TIME_SIZE     32

struct document {
    xmlTextWriter *writer;
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

static void attribute(struct document *d, const char *name, const char *value)
{
    _cleanup_free_ char *clean = text_bounded(value ? value : "", ATTRIBUTE_MAX);
    xmlTextWriterWriteAttribute(d->writer, BAD_CAST name, BAD_CAST clean);
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

/* UTC without saying so, as Ant's own reports have it: some readers take no zone here. */
static void timestamp(struct document *d, nsec_t wall)
{
    char text[CLOCK_ISO_SIZE];
    clock_iso8601(wall, text, sizeof(text));
    text[strlen("2014-08-02T10:11:12")] = '\0';
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

static void write_problem(struct document *d, const struct result_case *c)
{
    static const char *const elements[] = {
        [CASE_FAILED] = "failure", [CASE_ERROR] = "error", [CASE_SKIPPED] = "skipped"};
    if (c->status == CASE_PASSED)
        return;

    open_element(d, elements[c->status]);
    if (c->message)
        attribute(d, "message", c->message);
    if (c->status != CASE_SKIPPED || c->type)
        attribute(d, "type", c->type ? c->type : elements[c->status]);
    _cleanup_free_ char *text = text_bounded(c->text, CASE_TEXT_MAX);
    if (text && *text)
        xmlTextWriterWriteString(d->writer, BAD_CAST text);
    close_element(d);
}

static void write_output(struct document *d, const char *element, const char *clean)
{
    if (clean && *clean)
        xmlTextWriterWriteElement(d->writer, BAD_CAST element, BAD_CAST clean);
}

static void write_case(struct document *d, const struct result_case *c)
{
    const char *classname = c->classname && *c->classname ? c->classname : "unnamed";
    const char *wish = c->name && *c->name ? c->name : "unnamed";
    _cleanup_free_ char *name = names_unique(&d->cases, classname, wish);
    _cleanup_free_ char *output = text_bounded(c->output, CASE_TEXT_MAX);

    open_element(d, "testcase");
    attribute(d, "classname", classname);
    attribute(d, "name", name);
    seconds(d, "time", c->duration);
    write_problem(d, c);
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

static void write_suite(struct document *d, const struct result *r, const struct result_suite *s)
{
    struct result_counts counts;
    result_suite_count(s, &counts);
    _cleanup_free_ char *name = names_unique(&d->suites, "", s->name);

    open_element(d, "testsuite");
    attribute(d, "name", name);
    write_counts(d, &counts);
    number(d, "skipped", counts.skipped);
    seconds(d, "time", s->duration);
    timestamp(d, s->started_wall);
    attribute(d, "hostname", r->hostname);
    number(d, "id", (size_t)d->suite_id++);
    if (r->name)
        attribute(d, "package", r->name);
    write_properties(d, &s->properties);
    for (size_t i = 0; i < s->cases.len; i++)
        write_case(d, &s->cases.items[i]);
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
                               : "started, not finished: the run was interrupted or is still "
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
}

static void write_document(struct document *d, const struct result *r)
{
    struct extra extra;
    bool has_extra = make_extra(&extra, r);
    char name[] = "run", classname[] = "cleanroom", message[] = "nothing was run here";
    struct result_case nothing = {
        .name = name, .classname = classname, .status = CASE_SKIPPED, .message = message};
    struct result_counts sum = {0};
    if (has_extra)
        add_counts(&sum, &extra.suite);
    for (size_t i = 0; i < r->suites.len; i++) {
        struct result_suite s = with_a_case(&r->suites.items[i], &nothing);
        add_counts(&sum, &s);
    }

    open_element(d, "testsuites");
    attribute(d, "name", r->name ? r->name : "cleanroom");
    write_counts(d, &sum);
    seconds(d, "time", r->duration);
    if (has_extra)
        write_suite(d, r, &extra.suite);
    for (size_t i = 0; i < r->suites.len; i++) {
        struct result_suite s = with_a_case(&r->suites.items[i], &nothing);
        write_suite(d, r, &s);
    }
    close_element(d);
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
    (void)dialect;
    _cleanup_replacement_ struct replacement file;
    if (replacement_begin(&file, dir, name, err) < 0)
        return -1;

    xmlOutputBuffer *out = xmlOutputBufferCreateIO(write_bytes, NULL, file.file, NULL);
    _cleanup_(document_deinit) struct document d = {.writer = out ? xmlNewTextWriter(out) : NULL};
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

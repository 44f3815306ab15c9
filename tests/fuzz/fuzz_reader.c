/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The readers: any bytes give cases with names; what is read does not depend on the pieces they
 * come in; and each format alone survives them, too. $FUZZ_FORMAT: that format alone, by its name.
 */
#include <cleanroom/reader.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const char *format, const uint8_t *data, size_t size, size_t step,
                     struct result_suite *suite, struct reader_report *report)
{
    struct reader *reader = reader_new(format);
    assert(reader);
    for (size_t at = 0; at < size; at += step)
        reader_feed(reader, data + at, step < size - at ? step : size - at);
    reader_finish(reader, suite, report);
    reader_free(reader);
}

static void check_report(const struct reader_report *report, const struct result_suite *suite)
{
    assert(report->cases == suite->cases.len);
    assert(report->format || report->cases == 0);
    assert(report->extras <= report->cases);
    assert(report->said >= -1);
    for (size_t i = 0; i < suite->cases.len; i++)
        assert(strlen(suite->cases.items[i].name) <= 1024);
    for (size_t i = 0; i < suite->cases.len; i++) {
        const struct result_case *c = &suite->cases.items[i];
        assert(c->name && *c->name && c->classname && *c->classname);
        assert(!strchr(c->name, '\n') && !strchr(c->classname, '\n'));
        assert(c->duration >= 0);
        assert(!c->message || !strchr(c->message, '\n'));
    }
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void check_same(const struct result_suite *a, const struct result_suite *b)
{
    assert(a->cases.len == b->cases.len);
    for (size_t i = 0; i < a->cases.len; i++) {
        const struct result_case *x = &a->cases.items[i], *y = &b->cases.items[i];
        assert(same(x->name, y->name) && same(x->classname, y->classname));
        assert(x->status == y->status && x->duration == y->duration);
        assert(same(x->type, y->type) && same(x->message, y->message));
        assert(same(x->text, y->text) && same(x->output, y->output));
    }
}

/* Whole and in pieces; format NULL: as it is recognised. */
static void check_format(struct result *r, const char *format, const uint8_t *data, size_t size)
{
    struct reader_report whole, pieces;
    struct result_suite *suites = r->suites.items;
    read_all(format, data, size, SIZE_MAX, &suites[0], &whole);
    read_all(format, data, size, 7, &suites[1], &pieces);
    check_report(&whole, &suites[0]);
    check_same(&suites[0], &suites[1]);
    assert(whole.format == pieces.format && whole.said == pieces.said);
    assert(whole.extras == pieces.extras && whole.partial == pieces.partial);
    assert(same(whole.problem, pieces.problem));
    reader_report_deinit(&whole);
    reader_report_deinit(&pieces);
}

/* All of them, each by its name. */
static void check_each(struct result *r, const uint8_t *data, size_t size)
{
    for (size_t i = 0; reader_formats[i]; i++) {
        struct result_suite *suite = &r->suites.items[2];
        struct reader_report named;
        read_all(reader_formats[i]->name, data, size, 4096, suite, &named);
        check_report(&named, suite);
        result_suite_truncate(suite, 0);
        reader_report_deinit(&named);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *format = getenv("FUZZ_FORMAT");
    format = format && *format ? format : NULL;
    struct result r;
    result_init(&r, "id", "app");
    for (int i = 1; i <= 3; i++)
        result_add_suite(&r, i, 3);
    check_format(&r, format, data, size);
    if (!format)
        check_each(&r, data, size);
    result_settle(&r);
    result_deinit(&r);
    return 0;
}

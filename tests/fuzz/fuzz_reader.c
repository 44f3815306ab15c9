/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The readers: any bytes give cases with names; what is read does not depend on the pieces they
 * come in; and each format alone survives them, too.
 */
#include <cleanroom/reader.h>

#include <assert.h>
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
    for (size_t i = 0; i < suite->cases.len; i++) {
        const struct result_case *c = &suite->cases.items[i];
        assert(c->name && *c->name && c->classname && *c->classname);
        assert(!strchr(c->name, '\n') && !strchr(c->classname, '\n'));
        assert(c->duration >= 0);
        assert(!c->message || !strchr(c->message, '\n'));
    }
}

static void check_same(const struct result_suite *a, const struct result_suite *b)
{
    assert(a->cases.len == b->cases.len);
    for (size_t i = 0; i < a->cases.len; i++) {
        const struct result_case *x = &a->cases.items[i], *y = &b->cases.items[i];
        assert(strcmp(x->name, y->name) == 0 && strcmp(x->classname, y->classname) == 0);
        assert(x->status == y->status && x->duration == y->duration);
        assert(!x->text == !y->text && (!x->text || strcmp(x->text, y->text) == 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct result r;
    struct reader_report whole, split, named;
    result_init(&r, "id", "app");
    for (int i = 1; i <= 3; i++)
        result_add_suite(&r, i, 3);
    struct result_suite *suites = r.suites.items;

    read_all(NULL, data, size, SIZE_MAX, &suites[0], &whole);
    read_all(NULL, data, size, 7, &suites[1], &split);
    check_report(&whole, &suites[0]);
    check_same(&suites[0], &suites[1]);
    assert(whole.format == split.format && whole.said == split.said);
    for (size_t i = 0; reader_formats[i]; i++) {
        read_all(reader_formats[i]->name, data, size, 4096, &suites[2], &named);
        check_report(&named, &suites[2]);
        result_suite_truncate(&suites[2], 0);
        reader_report_deinit(&named);
    }

    reader_report_deinit(&whole);
    reader_report_deinit(&split);
    result_settle(&r);
    result_deinit(&r);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner/split/ as a program, for tests/presets/run:
 *
 *     split table                                   the table of presets
 *     split cut PRESET GRANULARITY SHARDS DIR       a runner's list from standard input, cut
 *     split proof PRESET LIST REPORT...             the proof, a report for each shard
 *
 * Prints JSON.
 */
#include <fcntl.h>
#include <string.h>

#include <jansson.h>

#include <cleanroom/junit.h>
#include <cleanroom/strbuf.h>

#include "base/file.h"
#include "split/cut.h"
#include "split/proof.h"

static int complain(struct error *err)
{
    (void)fprintf(stderr, "split: %s\n", err->message);
    return 1;
}

static json_t *strings(const char *const *words)
{
    json_t *array = json_array();
    for (; *words; words++)
        json_array_append_new(array, json_string(*words));
    return array;
}

static json_t *strings_of(const struct strvec *v)
{
    static const char *const none[] = {NULL};
    return strings(v->len ? (const char *const *)v->items : none);
}

static int print(json_t *root)
{
    int failed = json_dumpf(root, stdout, JSON_INDENT(1));
    json_decref(root);
    return failed ? 1 : 0;
}

static json_t *granularities(const struct preset *p)
{
    struct part_form form;
    json_t *array = json_array();
    for (int g = 0; g < GRANULARITIES; g++)
        if (preset_form(p, (enum granularity)g, &form))
            json_array_append_new(array, json_string(granularity_name((enum granularity)g)));
    return array;
}

static int table(void)
{
    json_t *root = json_object();
    for (size_t i = 0; preset_at(i); i++) {
        const struct preset *p = preset_at(i);
        json_object_set_new(root, p->name,
                            json_pack("{s:o, s:s?, s:b, s:b, s:b, s:o, s:o, s:o, s:s?, s:b, s:b}",
                                      "list", strings(p->list), "files", p->files, "list_on_stderr",
                                      p->list_on_stderr, "list_status_counts",
                                      p->list_status_counts, "files_dotted", p->files_dotted,
                                      "granularities", granularities(p), "shard", strings(p->shard),
                                      "report", strings(p->report), "report_variable",
                                      p->report_variable, "report_is_directory",
                                      p->report_is_directory, "blind", naming_is_blind(p->naming)));
    }
    return print(root);
}

static int read_list(struct test_list *list, const struct preset *p, const char *path,
                     struct error *err)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    if (strbuf_read_file(&text, path, LIST_TEXT_MAX) < 0)
        return error_set(err, ERROR_CONFIG, "cannot read '%s'", path);
    return test_list_read(list, p->format, p->naming, text.buf, text.len, err);
}

static int write_file(const char *path, const char *text, struct error *err)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return fd < 0 || file_write_all(fd, text, strlen(text)) < 0
               ? error_set(err, ERROR_INTERNAL, "cannot write '%s'", path)
               : 0;
}

/* A shard's words, with its file written to DIR/part-K and its report at DIR/report-K. */
static json_t *part(const struct part_form *form, const struct strvec *tests, int shard, int shards,
                    const char *dir, const struct preset *p, struct error *err)
{
    _cleanup_free_ char *file = xasprintf("%s/part-%d", dir, shard);
    _cleanup_free_ char *report = xasprintf("%s/report-%d.xml", dir, shard);
    _cleanup_free_ char *text = part_file(form, tests);
    _cleanup_strvec_ struct strvec words = STRVEC_INIT, reporting = STRVEC_INIT;
    const struct part_form how = {.words = p->report};
    const struct part_values values = {
        .tests = tests, .file = file, .report = report, .number = shard, .total = shards};
    const struct part_values about_report = {
        .file = file, .report = report, .number = shard, .total = shards};
    if (tests->len == 0)
        return json_null();
    if (write_file(file, text, err) < 0 || part_words(&words, form, &values, err) < 0 ||
        part_words(&reporting, &how, &about_report, err) < 0)
        return NULL;
    return json_pack("{s:o, s:o, s:o, s:s}", "tests", strings_of(tests), "words",
                     strings_of(&words), "report", strings_of(&reporting), "path", report);
}

static int cut(const struct preset *p, const char *granularity, int shards, const char *dir)
{
    _cleanup_test_list_ struct test_list list = TEST_LIST_INIT;
    _cleanup_units_ struct units units = UNITS_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    enum granularity g = (enum granularity)granularity_of(granularity);
    struct part_form form;
    if (read_list(&list, p, "/dev/stdin", &err) < 0)
        return complain(&err);
    if (!preset_form(p, g, &form))
        return 2;
    units_make(&units, &list, p->naming, g, NULL);
    _cleanup_free_ int *shard_of = xcalloc(units.items.len, sizeof(int));
    cut_by_time(&units, shards, shard_of);

    json_t *parts = json_array();
    for (int s = 0; s < shards; s++) {
        _cleanup_strvec_ struct strvec tests = STRVEC_INIT;
        units_part(&units, shard_of, s, &tests);
        json_t *one = part(&form, &tests, s + 1, shards, dir, p, &err);
        if (!one) {
            json_decref(parts);
            return complain(&err);
        }
        json_array_append_new(parts, one);
    }
    return print(json_pack("{s:I, s:o}", "tests", (json_int_t)list.tests.len, "parts", parts));
}

static int read_reports(struct result *r, char **reports, int count, struct error *err)
{
    for (int i = 0; i < count; i++) {
        _cleanup_strbuf_ struct strbuf xml = STRBUF_INIT;
        struct result_suite *suite = result_add_suite(r, i + 1, count);
        if (strbuf_read_file(&xml, reports[i], 1 << 20) < 0)
            return error_set(err, ERROR_CONFIG, "cannot read '%s'", reports[i]);
        if (xml.len && junit_read(xml.buf, xml.len, suite, err) < 0)
            return error_wrap(err, "'%s'", reports[i]);
    }
    return 0;
}

static int proof(const struct preset *p, const char *listed, char **reports, int count)
{
    _cleanup_test_list_ struct test_list list = TEST_LIST_INIT;
    _cleanup_proof_ struct proof proof = {0};
    _cleanup_error_ struct error err = ERROR_INIT;
    _cleanup_(result_deinit) struct result result;
    result_init(&result, "id", p->name);
    if (read_list(&list, p, listed, &err) < 0 || read_reports(&result, reports, count, &err) < 0)
        return complain(&err);
    result_settle(&result);
    proof_make(&proof, &(struct proof_question){.result = &result,
                                                .planned = &list,
                                                .preset = p,
                                                .expect = PROOF_EXPECT_NONE,
                                                .reported = true});
    return print(json_pack("{s:I, s:I, s:I, s:b, s:o, s:o}", "ran", (json_int_t)proof.ran, "never",
                           (json_int_t)proof.never, "doubled", (json_int_t)proof.doubled, "named",
                           proof.named, "errors", strings_of(&proof.errors), "remarks",
                           strings_of(&proof.remarks)));
}

int main(int argc, char **argv)
{
    const struct preset *p = argc > 2 ? preset_find(argv[2]) : NULL;
    if (argc == 2 && strcmp(argv[1], "table") == 0)
        return table();
    if (p && argc == 6 && strcmp(argv[1], "cut") == 0)
        return cut(p, argv[3], (int)strtol(argv[4], NULL, 10), argv[5]);
    if (p && argc > 4 && strcmp(argv[1], "proof") == 0)
        return proof(p, argv[3], argv + 4, argc - 4);
    (void)fprintf(stderr, "usage: split table | cut ... | proof ...\n");
    return 2;
}

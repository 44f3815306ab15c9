/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include <cleanroom/strbuf.h>

#include "cli/cmds.h"
#include "report/console.h"
#include "report/journal.h"
#include "split/merge.h"

static bool is_xml(const struct strbuf *text)
{
    return text->buf[strspn(text->buf, " \t\r\n\xef\xbb\xbf")] == '<';
}

/* The first file may be the plan; what is no XML is taken for one. */
static int take_file(struct merge *m, struct planfile *plan, const char *path, bool first,
                     struct error *err)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    if (strbuf_read_file(&text, path, MERGE_REPORT_MAX) < 0)
        return error_set_errno(err, ERROR_CONFIG, errno, "cannot read '%s'", path);
    if (first && !is_xml(&text))
        return planfile_parse(plan, path, text.buf, text.len, err);
    return merge_add(m, path, text.buf, text.len, err);
}

static int take_files(struct merge *m, struct planfile *plan, const struct invocation *inv,
                      struct error *err)
{
    for (size_t i = 0; i < inv->words.len; i++)
        if (take_file(m, plan, inv->words.items[i], i == 0, err) < 0)
            return -1;
    if (m->reports.len)
        return 0;
    return error_set(err, ERROR_USAGE,
                     "no report is named; try 'cleanroom merge plan.json */junit.xml'");
}

static int write_report(const struct merge *m, const struct settings *settings,
                        const struct invocation *inv, struct error *err)
{
    _cleanup_strvec_ struct strvec inputs = STRVEC_INIT;
    for (size_t i = 0; i < inv->words.len; i++)
        strvec_push(&inputs, inv->words.items[i]);
    _cleanup_close_ int dir = results_open_beside(settings->own.results, &inputs, err);
    if (dir < 0)
        return -1;
    return junit_write(&m->result, settings->own.junit_dialect, dir, "junit.xml", err);
}

static void say(struct error *err, const char *text)
{
    if (error_is_set(err))
        error_detail(err, "%s\n", text);
    else
        error_set(err, ERROR_SERVICE, "%s", text);
}

/* The summary lists what failed; what ended a whole run is the last word, as it was there. */
static void tell(const struct merge *m, struct error *err)
{
    if (m->errors.len)
        say(err, m->errors.items[0]);
    for (size_t i = 0; i < m->result.suites.len; i++) {
        const struct result_suite *s = &m->result.suites.items[i];
        for (size_t k = 0; s->shard == 0 && k < s->cases.len; k++) {
            const struct result_case *c = &s->cases.items[k];
            if (c->status != CASE_ERROR || !c->message)
                continue;
            _cleanup_free_ char *text = xasprintf("%s: %s", s->hostname ? s->hostname : s->name,
                                                  c->message);
            say(err, text);
        }
    }
}

static int merge(const struct invocation *inv, const struct settings *settings, FILE *out,
                 struct error *err)
{
    _cleanup_merge_ struct merge m = {0};
    _cleanup_planfile_ struct planfile plan = PLANFILE_INIT;
    if (take_files(&m, &plan, inv, err) < 0)
        return error_exit_code(err->kind);
    merge_finish(&m, plan.path ? &plan : NULL, (long)settings->own.expect);
    if (write_report(&m, settings, inv, err) < 0)
        return error_exit_code(err->kind);

    int code = m.errors.len || merge_has_failures(&m) ? 1 : 0;
    struct console *console = console_new(&(struct console_options){
        .out = out,
        .shards = (int)m.result.suites.len,
        .color = settings_want_color(settings, fileno(out)),
    });
    console_summary(console, &m.result, settings->own.results, code);
    console_free(console);
    tell(&m, err);
    return code;
}

int cmd_merge(const struct invocation *inv, FILE *out, struct error *err)
{
    _cleanup_(settings_deinit) struct settings settings;
    if (invocation_settings(inv, &settings, err) < 0)
        return error_exit_code(err->kind);
    return merge(inv, &settings, out, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "report/annotate.h"

#include <string.h>

#include "report/telling.h"
#include "report/text.h"

#define SHOWN_MAX 10 /* of a kind and step */
#define LOG_LINES 10
#define LOG_MAX   ((size_t)2 << 10) /* the runner cuts a message at 4 KiB */

/* "%" first and last: the runner takes back what it finds. A property also ends at ':' and ','. */
static void add_escaped(struct strbuf *out, const char *text, bool property)
{
    for (const char *p = text; *p; p++) {
        bool odd = strchr("%\r\n", *p) || (property && strchr(":,", *p));
        if (odd)
            strbuf_addf(out, "%%%02X", (unsigned)*p);
        else
            strbuf_addc(out, *p);
    }
}

/* From the checkout on, as GitHub wants it. */
static const char *in_checkout(const char *file, const char *workspace)
{
    size_t len = workspace ? strlen(workspace) : 0;
    if (len && strncmp(file, workspace, len) == 0 && file[len] == '/')
        file += len + 1;
    return strncmp(file, "./", 2) == 0 ? file + 2 : file;
}

/* "::error file=tests/cart.py,line=42,title=shard 2%3A shop.CartTest test_total::" */
static void begin_command(struct strbuf *out, const char *name, const struct result_suite *suite,
                          const struct result_case *c, const char *workspace)
{
    _cleanup_free_ char *file = text_first_line(c->file, TELLING_NAME_MAX);
    _cleanup_free_ char *title = telling_title(c);
    strbuf_addf(out, "::%s ", name);
    if (file) {
        strbuf_adds(out, "file=");
        add_escaped(out, in_checkout(file, workspace), true);
        strbuf_addc(out, ',');
        if (c->line > 0)
            strbuf_addf(out, "line=%ld,", c->line);
    }
    strbuf_adds(out, "title=");
    if (suite->shard > 0)
        strbuf_addf(out, "shard %d%%3A ", suite->shard);
    else
        strbuf_adds(out, "cleanroom%3A ");
    add_escaped(out, title, true);
    strbuf_adds(out, "::");
}

static void add_error(struct strbuf *out, const struct result_suite *suite,
                      const struct result_case *c, const char *workspace)
{
    _cleanup_free_ char *message = text_first_line(c->message, TELLING_MESSAGE_MAX);
    _cleanup_free_ char *log = telling_log(c, LOG_LINES, LOG_MAX);
    size_t len = strlen(log);
    if (len)
        log[len - 1] = '\0';
    begin_command(out, "error", suite, c, workspace);
    add_escaped(out, message ? message : len ? "" : "failed", false);
    if (message && len)
        strbuf_adds(out, "%0A%0A");
    add_escaped(out, log, false);
    strbuf_addc(out, '\n');
}

static void add_warning(struct strbuf *out, const struct result_suite *suite,
                        const struct result_case *c, const char *workspace)
{
    _cleanup_free_ char *words = telling_flaky(c);
    begin_command(out, "warning", suite, c, workspace);
    strbuf_addf(out, "flaky: %s\n", words);
}

struct tally {
    size_t errors, warnings;
};

/* The first ones are shown, or all but one when there are too many: the last tells of the rest. */
static void add_all(struct strbuf *out, const struct result *r, const char *workspace,
                    struct tally shown, struct tally *all)
{
    *all = (struct tally){0};
    for (size_t i = 0; i < r->suites.len; i++) {
        const struct result_suite *suite = &r->suites.items[i];
        for (size_t k = 0; k < suite->cases.len; k++) {
            const struct result_case *c = &suite->cases.items[k];
            if (telling_is_problem(suite, c) && all->errors++ < shown.errors)
                add_error(out, suite, c, workspace);
            if (result_case_is_flaky(c) && all->warnings++ < shown.warnings)
                add_warning(out, suite, c, workspace);
        }
    }
}

static size_t room_for(size_t count)
{
    return count > SHOWN_MAX ? SHOWN_MAX - 1 : count;
}

void annotate_github(struct strbuf *out, const struct result *r, int exit_code,
                     const char *workspace)
{
    struct tally all;
    add_all(out, r, workspace, (struct tally){0}, &all);
    struct tally shown = {room_for(all.errors), room_for(all.warnings)};
    add_all(out, r, workspace, shown, &all);
    if (all.errors > shown.errors)
        strbuf_addf(out, "::error title=cleanroom::and %zu more failures\n",
                    all.errors - shown.errors);
    if (all.warnings > shown.warnings)
        strbuf_addf(out, "::warning title=cleanroom::and %zu more flaky tests\n",
                    all.warnings - shown.warnings);
    if (exit_code && !all.errors)
        strbuf_addf(out, "::error title=cleanroom::exit code %d\n", exit_code);
}

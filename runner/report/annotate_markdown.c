/* SPDX-License-Identifier: Apache-2.0 */
#include "report/annotate.h"

#include <string.h>

#include "report/telling.h"
#include "report/text.h"

#define PROBLEMS_MAX 50
#define FLAKY_MAX    50
#define REMARKS_MAX  20
#define REMARK_LIMIT 400
#define SHARDS_MAX   200
#define LOG_LINES    40
#define LOG_MAX      ((size_t)8 << 10)
#define END_ROOM     200 /* for the word of how many more there are */

struct page {
    struct strbuf *out;
    size_t max;
    size_t left_out;
};

static void add_html(struct strbuf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '&')
            strbuf_adds(out, "&amp;");
        else if (*p == '<')
            strbuf_adds(out, "&lt;");
        else if (*p == '>')
            strbuf_adds(out, "&gt;");
        else
            strbuf_addc(out, *p);
    }
}

/* All of it or nothing: half an element would swallow the rest of the page. */
static void add_piece(struct page *page, const struct strbuf *piece)
{
    if (page->out->len + piece->len + END_ROOM <= page->max)
        strbuf_add(page->out, piece->buf, piece->len);
    else
        page->left_out++;
}

/* "| 2 | failed | 5.00s | 12 | 10 | 1 | 1 |" */
static void add_row(struct strbuf *out, const struct result_suite *suite)
{
    char took[TELLING_HUMAN];
    struct test_counts n = {0};
    telling_count(suite, &n);
    strbuf_addf(out, "| %d | %s | %s | %zu | %zu | %zu | %zu |\n", suite->shard,
                telling_verdict(telling_judge(suite)), telling_human(suite->duration, took),
                n.tests, n.passed, n.failures + n.errors, n.skipped);
}

static void add_shards(struct page *page, const struct result *r)
{
    _cleanup_strbuf_ struct strbuf table = STRBUF_INIT;
    strbuf_adds(&table, "| shard | | took | tests | passed | failed | skipped |\n"
                        "|---:|---|---:|---:|---:|---:|---:|\n");
    for (size_t i = 0; i < r->suites.len && i < SHARDS_MAX; i++)
        if (r->suites.items[i].shard > 0)
            add_row(&table, &r->suites.items[i]);
    strbuf_addc(&table, '\n');
    add_piece(page, &table);
}

/* "<code>[2] shop.CartTest test_total</code>" */
static void add_name(struct strbuf *out, const struct result_suite *suite,
                     const struct result_case *c)
{
    _cleanup_free_ char *title = telling_title(c);
    strbuf_adds(out, "<code>");
    if (suite->shard > 0)
        strbuf_addf(out, "[%d] ", suite->shard);
    add_html(out, title);
    strbuf_adds(out, "</code>");
}

/* A line that begins with <details> begins a block that ends at an empty line, one with <pre> a
   block that ends with </pre>. */
static void add_problem(struct page *page, const struct result_suite *suite,
                        const struct result_case *c)
{
    _cleanup_strbuf_ struct strbuf piece = STRBUF_INIT;
    _cleanup_free_ char *place = telling_place(c);
    _cleanup_free_ char *message = text_first_line(c->message, TELLING_MESSAGE_MAX);
    _cleanup_free_ char *log = telling_log(c, LOG_LINES, LOG_MAX);
    strbuf_adds(&piece, "<details><summary>");
    add_name(&piece, suite, c);
    if (place) {
        strbuf_adds(&piece, " <code>");
        add_html(&piece, place);
        strbuf_adds(&piece, "</code>");
    }
    strbuf_adds(&piece, "</summary>\n\n<pre>");
    add_html(&piece, message ? message : "");
    strbuf_adds(&piece, message && *log ? "\n\n" : "");
    add_html(&piece, log);
    strbuf_adds(&piece, "</pre>\n\n</details>\n\n");
    add_piece(page, &piece);
}

static void add_problems(struct page *page, const struct result *r)
{
    size_t problems = 0;
    for (size_t i = 0; i < r->suites.len; i++) {
        const struct result_suite *suite = &r->suites.items[i];
        for (size_t k = 0; k < suite->cases.len; k++) {
            if (!telling_is_problem(suite, &suite->cases.items[k]))
                continue;
            if (problems++ < PROBLEMS_MAX)
                add_problem(page, suite, &suite->cases.items[k]);
            else
                page->left_out++;
        }
    }
    if (page->left_out)
        strbuf_addf(page->out, "... and %zu more, all in the report\n\n", page->left_out);
    page->left_out = 0;
}

static void add_flaky(struct page *page, const struct result *r)
{
    _cleanup_strbuf_ struct strbuf list = STRBUF_INIT;
    size_t flaky = 0;
    for (size_t i = 0; i < r->suites.len; i++) {
        const struct result_suite *suite = &r->suites.items[i];
        for (size_t k = 0; k < suite->cases.len; k++) {
            const struct result_case *c = &suite->cases.items[k];
            if (!result_case_is_flaky(c) || flaky++ >= FLAKY_MAX)
                continue;
            _cleanup_free_ char *words = telling_flaky(c);
            strbuf_adds(&list, "<li>");
            add_name(&list, suite, c);
            strbuf_addf(&list, " %s</li>\n", words);
        }
    }
    if (flaky == 0)
        return;
    _cleanup_strbuf_ struct strbuf piece = STRBUF_INIT;
    strbuf_addf(&piece, "Flaky: %zu\n\n<ul>\n%s</ul>\n\n", flaky, list.buf);
    add_piece(page, &piece);
}

static void add_proof(struct page *page, const struct result *r)
{
    _cleanup_free_ char *proof = telling_proof(r);
    _cleanup_strbuf_ struct strbuf piece = STRBUF_INIT;
    if (proof)
        strbuf_addf(&piece, "%s\n\n", proof);
    for (size_t i = 0; i < r->remarks.len && i < REMARKS_MAX; i++) {
        _cleanup_free_ char *remark = text_first_line(r->remarks.items[i], REMARK_LIMIT);
        strbuf_adds(&piece, "<p>");
        add_html(&piece, remark ? remark : "");
        strbuf_adds(&piece, "</p>\n\n");
    }
    add_piece(page, &piece);
}

void annotate_markdown(struct strbuf *out, const struct result *r, int exit_code, size_t max)
{
    char took[TELLING_HUMAN];
    struct page page = {.out = out, .max = out->len + max};
    struct test_counts tests = {0};
    _cleanup_strbuf_ struct strbuf title = STRBUF_INIT;
    strbuf_adds(&title, "### cleanroom: ");
    telling_shards(&title, r, &tests);
    strbuf_addf(&title, " in %s", telling_human(r->duration, took));
    if (exit_code)
        strbuf_addf(&title, ", exit code %d", exit_code);
    strbuf_adds(&title, "\n\n");
    if (tests.tests) {
        telling_tests(&title, &tests);
        strbuf_adds(&title, "\n\n");
    }
    add_piece(&page, &title);
    if (page.left_out)
        return; /* no room at all */
    add_problems(&page, r);
    add_flaky(&page, r);
    add_proof(&page, r);
    add_shards(&page, r);
}

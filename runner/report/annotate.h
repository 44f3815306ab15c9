/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells the CI system that runs us what failed, in its own words.
 *
 * Everything that a test could have written is escaped: it cannot issue a command of its own. Lines
 * of the console are made harmless there (text_disarm()).
 */
#ifndef REPORT_ANNOTATE_H
#define REPORT_ANNOTATE_H

#include <cleanroom/error.h>
#include <cleanroom/result.h>
#include <cleanroom/strbuf.h>

#include "report/console.h"

enum ci_system {
    CI_NONE,
    CI_GITHUB,
    CI_TEAMCITY,
    CI_BUILDKITE,
};

/* By the variables that each sets for its jobs. */
enum ci_system ci_detect(void);

/* Before the summary: what went before may be folded. */
void annotate_begin(enum ci_system ci, int exit_code, struct console *console);
/* After the summary. The result has ended. */
int annotate_result(enum ci_system ci, const struct result *r, int exit_code,
                    struct console *console, struct error *err);

/*
 * The forms. They append to `out` and do nothing else.
 */

/* GitHub's workflow commands: ten errors at most (it shows no more of a step), ten warnings for
   what was flaky. Paths are told from `workspace` on, if not NULL.
   https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands */
void annotate_github(struct strbuf *out, const struct result *r, int exit_code,
                     const char *workspace);

/* Markdown of at most max bytes: GitHub's step summary, Buildkite's annotation. Both take 1 MiB.
   What tests wrote is in HTML blocks, where nothing but HTML has a meaning.
   https://spec.commonmark.org/0.31.2/#html-blocks */
#define ANNOTATE_MARKDOWN_MAX ((size_t)512 << 10)
void annotate_markdown(struct strbuf *out, const struct result *r, int exit_code, size_t max);

/* TeamCity's service messages: the tests of a suite, one flow per shard; build problems for what
   is no test. Runs that failed before a test passed are told as its retries.
   https://www.jetbrains.com/help/teamcity/service-messages.html */
void annotate_teamcity(struct strbuf *out, const struct result *r,
                       const struct result_suite *suite);
/* Of the run, when nothing else says why it is red. */
void annotate_teamcity_run(struct strbuf *out, const struct result *r, int exit_code);

/* Whether something in the result says why it is red. */
bool annotate_explains(const struct result *r);

#endif

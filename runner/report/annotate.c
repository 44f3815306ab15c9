/* SPDX-License-Identifier: Apache-2.0 */
#include "report/annotate.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "report/telling.h"

#define STEP_SUMMARY_MAX ((size_t)1 << 20) /* GitHub shows nothing of a longer one */
#define AGENT_DEADLINE   (20 * NSEC_PER_SEC)

static bool is_true(const char *variable)
{
    const char *value = getenv(variable);
    return value && strcmp(value, "true") == 0;
}

enum ci_system ci_detect(void)
{
    if (is_true("GITHUB_ACTIONS"))
        return CI_GITHUB;
    const char *teamcity = getenv("TEAMCITY_VERSION");
    if (teamcity && *teamcity)
        return CI_TEAMCITY;
    return is_true("BUILDKITE") ? CI_BUILDKITE : CI_NONE;
}

bool annotate_explains(const struct result *r)
{
    for (size_t i = 0; i < r->suites.len; i++)
        for (size_t k = 0; k < r->suites.items[i].cases.len; k++)
            if (telling_is_problem(&r->suites.items[i], &r->suites.items[i].cases.items[k]))
                return true;
    return false;
}

static void say(struct console *console, struct strbuf *words)
{
    console_command(console, words->buf, words->len);
    strbuf_reset(words);
}

/* --- GitHub ---------------------------------------------------------------------------------- */

/* To what other commands of the step have written already. */
static int append_step_summary(const char *path, const struct result *r, int exit_code,
                               struct error *err)
{
    int fd _cleanup_close_ = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open the step summary '%s'",
                               path);
    size_t used = (size_t)st.st_size, room = used < STEP_SUMMARY_MAX ? STEP_SUMMARY_MAX - used : 0;
    _cleanup_strbuf_ struct strbuf page = STRBUF_INIT;
    annotate_markdown(&page, r, exit_code,
                      room < ANNOTATE_MARKDOWN_MAX ? room : ANNOTATE_MARKDOWN_MAX);
    if (page.len == 0)
        return error_set(err, ERROR_INTERNAL, "the step summary '%s' is full", path);
    if (file_write_all(fd, page.buf, page.len) < 0)
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot write the step summary '%s'",
                               path);
    return 0;
}

static int tell_github(const struct result *r, int exit_code, struct console *console,
                       struct error *err)
{
    const char *path = getenv("GITHUB_STEP_SUMMARY");
    _cleanup_strbuf_ struct strbuf commands = STRBUF_INIT;
    annotate_github(&commands, r, exit_code, getenv("GITHUB_WORKSPACE"));
    say(console, &commands);
    return path && *path ? append_step_summary(path, r, exit_code, err) : 0;
}

/* --- TeamCity -------------------------------------------------------------------------------- */

static int tell_teamcity(const struct result *r, int exit_code, struct console *console)
{
    _cleanup_strbuf_ struct strbuf messages = STRBUF_INIT;
    for (size_t i = 0; i < r->suites.len; i++) {
        annotate_teamcity(&messages, r, &r->suites.items[i]);
        say(console, &messages);
    }
    annotate_teamcity_run(&messages, r, exit_code);
    say(console, &messages);
    return 0;
}

/* --- Buildkite ------------------------------------------------------------------------------- */

static const char *style_of(const struct result *r, int exit_code)
{
    struct test_counts counts = {0};
    for (size_t i = 0; i < r->suites.len; i++)
        telling_count(&r->suites.items[i], &counts);
    return exit_code ? "error" : counts.flaky ? "warning" : "success";
}

/* The same when a job is retried, another one for each parallel job of a step. */
static char *context_of(void)
{
    const char *step = getenv("BUILDKITE_STEP_ID"), *part = getenv("BUILDKITE_PARALLEL_JOB");
    return xasprintf("cleanroom%s%s%s%s", step ? "-" : "", step ? step : "", part ? "-" : "",
                     part ? part : "");
}

/* https://buildkite.com/docs/agent/cli/reference/annotate */
static int tell_buildkite(const struct result *r, int exit_code, struct error *err)
{
    _cleanup_free_ char *agent = process_find_program("buildkite-agent"), *context = context_of();
    if (!agent || !getenv("BUILDKITE"))
        return 0;
    _cleanup_strbuf_ struct strbuf page = STRBUF_INIT;
    annotate_markdown(&page, r, exit_code, ANNOTATE_MARKDOWN_MAX);
    const char *const argv[] = {agent,       "annotate", "--style", style_of(r, exit_code),
                                "--context", context,    NULL};
    return process_feed(argv, page.buf, page.len, AGENT_DEADLINE, err);
}

/* --------------------------------------------------------------------------------------------- */

void annotate_begin(enum ci_system ci, int exit_code, struct console *console)
{
    /* https://buildkite.com/docs/pipelines/configure/managing-log-output */
    static const char opened[] = "+++ cleanroom: what failed\n";
    if (ci == CI_BUILDKITE && exit_code)
        console_command(console, opened, sizeof(opened) - 1);
}

int annotate_result(enum ci_system ci, const struct result *r, int exit_code,
                    struct console *console, struct error *err)
{
    switch (ci) {
    case CI_GITHUB:
        return tell_github(r, exit_code, console, err);
    case CI_TEAMCITY:
        return tell_teamcity(r, exit_code, console);
    case CI_BUILDKITE:
        return tell_buildkite(r, exit_code, err);
    case CI_NONE:
        break;
    }
    return 0;
}

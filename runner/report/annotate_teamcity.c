/* SPDX-License-Identifier: Apache-2.0 */
#include "report/annotate.h"

#include <string.h>

#include "report/telling.h"
#include "report/text.h"

#define LOG_LINES    100
#define LOG_MAX      ((size_t)16 << 10)
#define IDENTITY_MAX 60 /* of a build problem, and letters, digits and '_' alone */

static uint32_t decode(const char *p, size_t len)
{
    static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = (unsigned char)p[0] & masks[len];
    for (size_t i = 1; i < len; i++)
        c = c << 6 | ((unsigned char)p[i] & 0x3f);
    return c;
}

/* In UTF-16, as Java counts. */
static void add_code(struct strbuf *out, uint32_t c)
{
    if (c < 0x10000) {
        strbuf_addf(out, "|0x%04X", c);
        return;
    }
    c -= 0x10000;
    strbuf_addf(out, "|0x%04X|0x%04X", 0xd800 + (c >> 10), 0xdc00 + (c & 0x3ff));
}

/* Clean text: valid UTF-8. */
static void add_escaped(struct strbuf *out, const char *text)
{
    for (const char *p = text; *p;) {
        size_t len = text_utf8_length(p, strlen(p) < 4 ? strlen(p) : 4);
        if (*p == '\n')
            strbuf_adds(out, "|n");
        else if (*p == '\r')
            strbuf_adds(out, "|r");
        else if (strchr("|'[]", *p))
            strbuf_addf(out, "|%c", *p);
        else if (len > 1)
            add_code(out, decode(p, len));
        else
            strbuf_addc(out, *p);
        p += len ? len : 1;
    }
}

static void add_attribute(struct strbuf *out, const char *name, const char *text)
{
    strbuf_addf(out, " %s='", name);
    add_escaped(out, text);
    strbuf_addc(out, '\'');
}

/* The name under which it is the same test in every build: not its shard's. */
static void begin_message(struct strbuf *out, const char *message, const char *name)
{
    strbuf_addf(out, "##teamcity[%s", message);
    add_attribute(out, "name", name);
}

static void end_message(struct strbuf *out, const struct result *r,
                        const struct result_suite *suite)
{
    strbuf_addf(out, " flowId='cleanroom-%s-%d']\n", r->run_id, suite->shard);
}

static char *test_name(const struct result_case *c)
{
    _cleanup_free_ char *class_name = text_first_line(c->classname, TELLING_NAME_MAX);
    _cleanup_free_ char *name = text_first_line(c->name, TELLING_NAME_MAX);
    return xasprintf("%s%s%s", class_name ? class_name : "", class_name ? "." : "",
                     name ? name : "unnamed");
}

/* What one run of a test said. */
struct said {
    const struct result *result;
    const struct result_suite *suite;
    const char *name;
};

static void add_run(struct strbuf *out, const struct said *said, const struct result_case *c)
{
    _cleanup_free_ char *message = text_first_line(c->message, TELLING_MESSAGE_MAX);
    begin_message(out, "testStarted", said->name);
    end_message(out, said->result, said->suite);
    if (c->status == CASE_SKIPPED) {
        begin_message(out, "testIgnored", said->name);
        add_attribute(out, "message", message ? message : "");
        end_message(out, said->result, said->suite);
    } else if (c->status != CASE_PASSED) {
        _cleanup_free_ char *log = telling_log(c, LOG_LINES, LOG_MAX);
        begin_message(out, "testFailed", said->name);
        add_attribute(out, "message", message ? message : "failed");
        add_attribute(out, "details", log);
        end_message(out, said->result, said->suite);
    }
    begin_message(out, "testFinished", said->name);
    strbuf_addf(out, " duration='%lld'", (long long)(c->duration / NSEC_PER_MSEC));
    end_message(out, said->result, said->suite);
}

static void add_test(struct strbuf *out, const struct result *r, const struct result_suite *suite,
                     const struct result_case *c)
{
    _cleanup_free_ char *name = test_name(c);
    struct said said = {r, suite, name};
    for (size_t i = 0; i < c->reruns.len && result_case_is_flaky(c); i++) {
        const struct result_rerun *rerun = &c->reruns.items[i];
        struct result_case failed = {.status = rerun->status,
                                     .duration = rerun->duration,
                                     .message = rerun->message,
                                     .text = rerun->text,
                                     .output = rerun->output};
        add_run(out, &said, &failed);
    }
    add_run(out, &said, c);
}

/* "shard 3: service postgres: ended before it was ready" */
static void add_build_problem(struct strbuf *out, const struct result_suite *suite,
                              const struct result_case *c)
{
    char identity[IDENTITY_MAX + 1];
    _cleanup_free_ char *name = telling_title(c);
    _cleanup_free_ char *message = text_first_line(c->message, TELLING_MESSAGE_MAX);
    (void)snprintf(identity, sizeof(identity), "cleanroom_%d_%s", suite->shard, name);
    for (char *p = identity; *p; p++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", *p))
            *p = '_';
    _cleanup_free_ char *where = suite->shard ? xasprintf("shard %d", suite->shard)
                                              : xstrdup("cleanroom");
    _cleanup_free_ char *words = xasprintf("%s: %s: %s", where, name, message ? message : "failed");
    strbuf_adds(out, "##teamcity[buildProblem");
    add_attribute(out, "description", words);
    strbuf_addf(out, " identity='%s']\n", identity);
}

void annotate_teamcity(struct strbuf *out, const struct result *r, const struct result_suite *suite)
{
    struct test_counts counts = {0};
    telling_count(suite, &counts);
    if (counts.flaky)
        strbuf_adds(out, "##teamcity[testRetrySupport enabled='true']\n");
    if (counts.tests) {
        begin_message(out, "testSuiteStarted", r->name);
        end_message(out, r, suite);
    }
    for (size_t i = 0; i < suite->cases.len; i++) {
        const struct result_case *c = &suite->cases.items[i];
        if (!result_case_is_phase(c))
            add_test(out, r, suite, c);
        else if (telling_is_problem(suite, c))
            add_build_problem(out, suite, c);
    }
    if (counts.tests) {
        begin_message(out, "testSuiteFinished", r->name);
        end_message(out, r, suite);
    }
}

void annotate_teamcity_run(struct strbuf *out, const struct result *r, int exit_code)
{
    if (exit_code && !annotate_explains(r))
        strbuf_addf(out,
                    "##teamcity[buildProblem description='cleanroom: exit code %d' "
                    "identity='cleanroom_exit_code']\n",
                    exit_code);
}

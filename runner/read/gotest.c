/* SPDX-License-Identifier: Apache-2.0 */
/*
 * go test -json: https://pkg.go.dev/cmd/test2json and `go help buildjson`.
 *
 * Tests with subtests are cases like all others, as Go counts them. A package that failed though
 * none of its tests did (it does not build, TestMain said no) is a case, too. What was compiled
 * before and is run by test2json may have no package.
 */
#include "read/formats.h"

#include <string.h>

#include <jansson.h>

#include <cleanroom/strbuf.h>

#include "engine/docker/json.h"
#include "read/index.h"
#include "read/scan.h"
#include "read/sink.h"

#define PACKAGES_MAX 10000
#define TEXT_HEAD    8192
#define TEXT_TAIL    8192

struct package {
    char *name;
    bool running; /* its verdict is missing */
    bool failed;  /* one of its tests has */
    struct capture text;
};

struct gotest {
    VEC(struct package) packages;
    struct index by_name;
};

struct event {
    const char *action, *package, *test, *output;
    double elapsed; /* < 0: not there */
};

/* NULL when there are too many. */
static struct package *get_package(struct gotest *g, const char *name)
{
    const struct index_entry *known = index_find(&g->by_name, name);
    if (known)
        return &g->packages.items[known->last];
    if (g->packages.len >= PACKAGES_MAX || strlen(name) > 4096)
        return NULL;
    struct package *p = vec_push(&g->packages);
    p->name = xstrdup(name);
    capture_init(&p->text, TEXT_HEAD, TEXT_TAIL);
    index_add(&g->by_name, name)->last = g->packages.len - 1;
    return p;
}

static size_t find_test(const struct sink *s, const struct event *e)
{
    _cleanup_free_ char *key = xasprintf("%s\n%s", e->package, e->test);
    size_t at = sink_find(s, key);
    return sink_is_open(s, at) ? at : SINK_NONE;
}

static size_t begin_test(struct sink *s, const struct event *e)
{
    _cleanup_free_ char *key = xasprintf("%s\n%s", e->package, e->test);
    size_t at = sink_open(s, e->package, e->test);
    sink_key(s, at, key);
    return at;
}

/* What the framework itself prints of a test. */
static bool is_frame(const char *output)
{
    static const char *const words[] = {"=== RUN ",  "=== PAUSE ", "=== CONT ", "=== NAME ",
                                        "--- PASS:", "--- FAIL:",  "--- SKIP:", "--- BENCH:"};
    output += strspn(output, " ");
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (scan_prefix(output, words[i]))
            return true;
    return false;
}

static void name_failure(struct sink *s, size_t at)
{
    const struct result_case *c = sink_case(s, at);
    if (!c || !c->text)
        return;
    const char *panic = strstr(c->text, "panic: ");
    bool first = panic && (panic == c->text || panic[-1] == '\n');
    sink_message(s, at, first ? panic : c->text);
    if (first)
        sink_type(s, at, "panic");
}

static void test_event(struct sink *s, struct package *p, const struct event *e)
{
    if (strcmp(e->action, "run") == 0) {
        begin_test(s, e);
        return;
    }
    if (strcmp(e->action, "output") == 0) {
        if (e->output && !is_frame(e->output))
            sink_text(s, find_test(s, e), e->output, strlen(e->output));
        return;
    }
    enum case_status status = strcmp(e->action, "pass") == 0   ? CASE_PASSED
                              : strcmp(e->action, "fail") == 0 ? CASE_FAILED
                                                               : CASE_SKIPPED;
    if (status == CASE_SKIPPED && strcmp(e->action, "skip") != 0)
        return;
    size_t at = find_test(s, e);
    if (at == SINK_NONE)
        at = begin_test(s, e);
    sink_close(s, at, status, e->elapsed < 0 ? -1 : scan_seconds(e->elapsed));
    if (status == CASE_FAILED)
        name_failure(s, at);
    const struct result_case *c = sink_case(s, at);
    if (status == CASE_SKIPPED && c && c->output)
        sink_message(s, at, c->output);
    p->failed |= status == CASE_FAILED;
}

static void add_package_case(struct sink *s, struct package *p, const char *message)
{
    size_t at = sink_open(s, p->name, "(package)");
    s->extras += at != SINK_NONE;
    _cleanup_free_ char *text = capture_text(&p->text, NULL);
    sink_text(s, at, text, strlen(text));
    sink_close(s, at, CASE_ERROR, -1);
    sink_message(s, at, message);
    sink_message(s, at, text);
}

static void package_event(struct sink *s, struct package *p, const struct event *e)
{
    if (strcmp(e->action, "output") == 0 || strcmp(e->action, "build-output") == 0) {
        if (e->output && strcmp(e->output, "FAIL\n") != 0)
            capture_add(&p->text, e->output, strlen(e->output));
    } else if (strcmp(e->action, "fail") == 0) {
        p->running = false;
        if (!p->failed)
            add_package_case(s, p, NULL);
        p->failed = false;
        capture_deinit(&p->text);
    } else if (strcmp(e->action, "pass") == 0 || strcmp(e->action, "skip") == 0) {
        p->running = p->failed = false;
        capture_deinit(&p->text);
    }
}

/* Builds speak of "path" or "path [path.test]". */
static char *build_package(const json_t *root)
{
    const char *path = json_string_at(root, "ImportPath", NULL);
    return path ? xstrndup(path, strcspn(path, " ")) : NULL;
}

static void take_event(struct gotest *g, struct sink *s, const json_t *root)
{
    static const char *const actions[] = {"start",        "run",   "pause", "cont",
                                          "pass",         "bench", "fail",  "output",
                                          "build-output", "skip",  "attr",  "build-fail"};
    const json_t *elapsed = json_at(root, "Elapsed");
    _cleanup_free_ char *built = build_package(root);
    struct event e = {
        .action = json_string_at(root, "Action", ""),
        .package = json_string_at(root, "Package", built ? built : "go"),
        .test = json_string_at(root, "Test", NULL),
        .output = json_string_at(root, "Output", NULL),
        .elapsed = json_is_number(elapsed) ? json_number_value(elapsed) : -1,
    };
    bool known = false;
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        known |= strcmp(e.action, actions[i]) == 0;
    bool own = s->sure || built || e.test || json_at(root, "Package");
    struct package *p = known && own ? get_package(g, e.package) : NULL;
    if (!p)
        return;

    sink_sure(s);
    p->running |= !built;
    if (e.test && *e.test)
        test_event(s, p, &e);
    else
        package_event(s, p, &e);
}

/* Before Go 1.24 what does not build is told in plain words: "FAIL\tpackage [build failed]". */
static void take_plain(struct gotest *g, struct sink *s, const char *line)
{
    const char *name = scan_prefix(line, "FAIL\t");
    const char *why = name ? strchr(name, ' ') : NULL;
    if (!why || (strcmp(why, " [build failed]") != 0 && strcmp(why, " [setup failed]") != 0))
        return;
    _cleanup_free_ char *package = xstrndup(name, (size_t)(why - name));
    struct package *p = get_package(g, package);
    if (p)
        add_package_case(s, p, why);
}

static void gotest_line(void *state, struct sink *s, const char *line, size_t len)
{
    if (*line == 'F')
        take_plain(state, s, line);
    if (!scan_prefix(line, "{\"") || !strstr(line, "\"Action\":"))
        return;
    _cleanup_json_ json_t *root = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
    if (root)
        take_event(state, s, root);
}

static void gotest_end(void *state, struct sink *s)
{
    struct gotest *g = state;
    for (size_t i = 0; i < g->packages.len; i++)
        if (g->packages.items[i].running)
            sink_problem(s, "the output is cut short: package '%s' did not end",
                         g->packages.items[i].name);
}

static void gotest_deinit(void *state)
{
    struct gotest *g = state;
    for (size_t i = 0; i < g->packages.len; i++) {
        free(g->packages.items[i].name);
        capture_deinit(&g->packages.items[i].text);
    }
    vec_deinit(&g->packages);
    index_deinit(&g->by_name);
}

const struct reader_format format_gotest = {
    .name = "go",
    .doc = "go test -json",
    .state_size = sizeof(struct gotest),
    .line = gotest_line,
    .end = gotest_end,
    .deinit = gotest_deinit,
};

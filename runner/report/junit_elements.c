/* SPDX-License-Identifier: Apache-2.0 */
#include "report/junit_reader.h"

#include <string.h>

#include "report/junit_facts.h"
#include "report/text.h"

#define CASES_MAX      100000
#define OWN_CASES_MAX  1000000 /* of a whole report of ours */
#define SUITES_MAX     10000
#define PROPERTIES_MAX 100000
#define RERUNS_MAX     100 /* of a case; more are left out */
#define SECONDS_MAX    1e9
#define LINE_MAX_KNOWN (1L << 30)

static const struct {
    const char *name;
    enum junit_role role;
} elements[] = {
    {"testsuites", ROLE_SUITES},
    {"testsuite", ROLE_SUITE},
    {"testcase", ROLE_CASE},
    {"property", ROLE_PROPERTY},
    {"stackTrace", ROLE_STACK},
    {"failure", ROLE_FAILURE},
    {"error", ROLE_ERROR},
    {"skipped", ROLE_SKIPPED},
    {"flakyFailure", ROLE_RERUN_FAILURE},
    {"rerunFailure", ROLE_RERUN_FAILURE},
    {"flakyError", ROLE_RERUN_ERROR},
    {"rerunError", ROLE_RERUN_ERROR},
    {"system-out", ROLE_OUTPUT},
    {"system-err", ROLE_ERROR_OUTPUT},
};

/* Words of `status` and `result` attributes, where no element tells. */
static const struct {
    const char *word;
    enum case_status status;
} verdicts[] = {
    {"notrun", CASE_SKIPPED},  {"disabled", CASE_SKIPPED}, {"suppressed", CASE_SKIPPED},
    {"skipped", CASE_SKIPPED}, {"ignored", CASE_SKIPPED},  {"pending", CASE_SKIPPED},
    {"failed", CASE_FAILED},   {"fail", CASE_FAILED},      {"failure", CASE_FAILED},
    {"error", CASE_ERROR},
};

enum junit_role junit_find_role(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(elements); i++)
        if (strcmp(name, elements[i].name) == 0)
            return elements[i].role;
    return ROLE_OTHER;
}

static bool is_rerun(enum junit_role role)
{
    return role == ROLE_RERUN_FAILURE || role == ROLE_RERUN_ERROR;
}

static bool is_problem(enum junit_role role)
{
    return role == ROLE_FAILURE || role == ROLE_ERROR || role == ROLE_SKIPPED;
}

static bool is_output(enum junit_role role)
{
    return role == ROLE_OUTPUT || role == ROLE_ERROR_OUTPUT;
}

static char *get_attribute(const struct junit_reader *r, const xmlChar **attributes, int count,
                           const char *name)
{
    for (int i = 0; i < count; i++) {
        const xmlChar **a = attributes + (size_t)i * 5;
        if (strcmp((const char *)a[0], name) != 0)
            continue;
        _cleanup_free_ char *value = xstrndup((const char *)a[3], (size_t)(a[4] - a[3]));
        return text_bounded(value, r->attribute_max);
    }
    return NULL;
}

/* One comma that cannot be a thousands separator is a decimal one. */
static bool has_decimal_comma(const char *s)
{
    const char *comma = strchr(s, ',');
    if (!comma || strpbrk(comma + 1, ".,"))
        return false;
    return strspn(comma + 1, "0123456789") != 3 || (s[0] == '0' && comma == s + 1);
}

/* "12.5", "1,234.5" (surefire groups thousands), "0,25" (and follows the locale), "1e-05". */
static nsec_t parse_seconds(const char *s)
{
    bool decimal_comma = has_decimal_comma(s);
    double value = 0, unit = 1;
    bool fraction = false;
    for (; (*s >= '0' && *s <= '9') || *s == '.' || *s == ','; s++) {
        fraction |= *s == (decimal_comma ? ',' : '.');
        if (*s == '.' || *s == ',')
            continue;
        value = value * 10 + (*s - '0');
        unit *= fraction ? 10 : 1;
    }
    long exponent = *s == 'e' || *s == 'E' ? strtol(s + 1, NULL, 10) : 0;
    for (int i = 0; i < 30 && exponent < 0; i++, exponent++)
        unit *= 10;
    for (int i = 0; i < 30 && exponent > 0; i++, exponent--)
        value *= 10;

    value /= unit;
    if (!(value >= 0)) /* thousands of digits make a NaN */
        return 0;
    return (nsec_t)((value < SECONDS_MAX ? value : SECONDS_MAX) * 1e9 + 0.5);
}

static void apply_verdict(const struct junit_reader *r, struct result_case *c,
                          const xmlChar **attributes, int count)
{
    static const char *const names[] = {"status", "result"};
    for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
        _cleanup_free_ char *word = get_attribute(r, attributes, count, names[n]);
        for (size_t i = 0; word && i < ARRAY_SIZE(verdicts); i++)
            if (strcasecmp(word, verdicts[i].word) == 0 && c->status == CASE_PASSED)
                c->status = verdicts[i].status;
    }
}

static const char *suite_name(const struct junit_reader *r, int depth)
{
    for (int i = depth - 1; i >= 0; i--)
        if (r->suite_names[i] && *r->suite_names[i])
            return r->suite_names[i];
    return "unnamed";
}

/* 0: not known. */
static long parse_line(const char *s)
{
    long line = s ? strtol(s, NULL, 10) : 0;
    return line > 0 && line < LINE_MAX_KNOWN ? line : 0;
}

static void add_case(struct junit_reader *r, const char *classname, const char *name,
                     nsec_t duration)
{
    size_t max = r->whole ? OWN_CASES_MAX : CASES_MAX;
    if (r->cases == max) {
        junit_refuse(r, xasprintf("more than %zu test cases", max));
        return;
    }
    r->cases++;
    if (!r->suite)
        r->suite = junit_add_suite(r->whole, suite_name(r, r->depth));
    r->test = result_add_case(r->suite,
                              classname && *classname ? classname : suite_name(r, r->depth),
                              name && *name ? name : "unnamed", CASE_PASSED, duration);
    r->test_depth = r->depth;
    r->verdict = false;
}

static bool has_room(struct junit_reader *r)
{
    if (r->whole->suites.len < SUITES_MAX)
        return true;
    junit_refuse(r, xasprintf("more than %d suites", SUITES_MAX));
    return false;
}

static void begin_case(struct junit_reader *r, const xmlChar **attributes, int count)
{
    if (r->test) /* no dialect nests them */
        return;
    _cleanup_free_ char *classname = get_attribute(r, attributes, count, "classname");
    _cleanup_free_ char *name = get_attribute(r, attributes, count, "name");
    _cleanup_free_ char *time = get_attribute(r, attributes, count, "time");
    _cleanup_free_ char *line = get_attribute(r, attributes, count, "line");
    _cleanup_free_ char *group = r->whole ? get_attribute(r, attributes, count, "group") : NULL;
    if (group && r->roles[0] == ROLE_SUITE && has_room(r))
        r->suite = junit_find_suite(r->whole, group);
    add_case(r, classname, name, time ? parse_seconds(time) : 0);
    if (!r->test)
        return;
    apply_verdict(r, r->test, attributes, count);
    r->test->file = get_attribute(r, attributes, count, "file");
    r->test->line = parse_line(line);
}

/* "failure" for a failure says nothing: it stands where a dialect demands a type. */
static char *telling_type(char *type)
{
    if (!type || !is_problem(junit_find_role(type)))
        return type;
    free(type);
    return NULL;
}

/* A failure of the suite itself (its setup, a file that cannot be loaded) has no case: make one. */
static void begin_problem(struct junit_reader *r, enum junit_role role, const xmlChar **attributes,
                          int count)
{
    static const enum case_status statuses[] = {
        [ROLE_FAILURE] = CASE_FAILED, [ROLE_ERROR] = CASE_ERROR, [ROLE_SKIPPED] = CASE_SKIPPED};
    if (!r->test && r->roles[r->depth - 1] == ROLE_SUITE && role != ROLE_SKIPPED)
        add_case(r, NULL, "(suite)", 0);
    if (!r->test)
        return;

    if (!r->verdict || r->test->status == CASE_SKIPPED)
        r->test->status = statuses[role];
    r->verdict = true;
    if (!r->message)
        r->message = get_attribute(r, attributes, count, "message");
    if (!r->test->type)
        r->test->type = telling_type(get_attribute(r, attributes, count, "type"));
    if (r->text.total) /* googletest tells several failures of one test */
        capture_add(&r->text, "\n", 1);
}

static char *take_text(struct capture *from)
{
    char *text = from->total ? capture_text(from, NULL) : NULL;
    capture_deinit(from);
    return text;
}

/* One line, the text's first where none was given; in a report of ours it is that already. */
static char *message_of(const struct junit_reader *r, char *message, const char *text)
{
    if (r->whole)
        return message;
    char *line = text_first_line(message ? message : text, r->attribute_max);
    free(message);
    return line;
}

static void begin_rerun(struct junit_reader *r, enum junit_role role, const xmlChar **attributes,
                        int count)
{
    if (!r->test || r->rerun || r->test->reruns.len == RERUNS_MAX)
        return;
    r->rerun = vec_push(&r->test->reruns);
    _cleanup_free_ char *type = get_attribute(r, attributes, count, "type");
    bool error = role == ROLE_RERUN_ERROR || (type && strcmp(type, "error") == 0);
    r->rerun->status = error ? CASE_ERROR : CASE_FAILED;
    r->rerun->message = get_attribute(r, attributes, count, "message");
    r->rerun->type = telling_type(TAKE_PTR(type));
    r->stack = false;
}

/* Without a stackTrace its text is the element's own, as surefire had it once. */
static void begin_stack(struct junit_reader *r)
{
    capture_deinit(&r->rerun_text);
    r->stack = true;
}

static void end_rerun(struct junit_reader *r)
{
    struct result_rerun *rerun = TAKE_PTR(r->rerun);
    rerun->text = take_text(&r->rerun_text);
    rerun->output = take_text(&r->rerun_output);
    if (rerun->text && !r->stack && rerun->text[strspn(rerun->text, " \t\r\n")] == '\0') {
        free(rerun->text);
        rerun->text = NULL;
    }
    rerun->message = message_of(r, rerun->message, rerun->text);
}

static void end_case(struct junit_reader *r)
{
    struct result_case *c = TAKE_PTR(r->test);
    c->text = take_text(&r->text);
    c->output = take_text(&r->output);
    if (!r->whole && !c->text && r->message && strchr(r->message, '\n'))
        c->text = xstrdup(r->message);
    c->message = message_of(r, TAKE_PTR(r->message), c->text);
}

/* Suites within suites are parts of the outermost one. */
static void begin_suite(struct junit_reader *r, const xmlChar **attributes, int count)
{
    r->suite_names[r->depth] = get_attribute(r, attributes, count, "name");
    if (!r->whole || (r->depth > 0 && r->roles[r->depth - 1] != ROLE_SUITES) || !has_room(r))
        return;
    _cleanup_free_ char *time = get_attribute(r, attributes, count, "time");
    _cleanup_free_ char *timestamp = get_attribute(r, attributes, count, "timestamp");
    r->suite = junit_add_suite(r->whole, suite_name(r, r->depth + 1));
    r->suite->duration = time ? parse_seconds(time) : 0;
    r->suite->started_wall = junit_parse_timestamp(timestamp);
    r->suite->hostname = get_attribute(r, attributes, count, "hostname");
}

static void begin_suites(struct junit_reader *r, const xmlChar **attributes, int count)
{
    if (!r->whole || r->depth > 0)
        return;
    _cleanup_free_ char *time = get_attribute(r, attributes, count, "time");
    r->whole->name = get_attribute(r, attributes, count, "name");
    r->whole->duration = time ? parse_seconds(time) : 0;
}

static void begin_property(struct junit_reader *r, const xmlChar **attributes, int count)
{
    if (!r->whole || !r->suite || r->test)
        return;
    _cleanup_free_ char *name = get_attribute(r, attributes, count, "name");
    _cleanup_free_ char *value = get_attribute(r, attributes, count, "value");
    if (!name || r->properties++ >= PROPERTIES_MAX)
        return;
    junit_hear_property(r->whole, r->suite, name, value ? value : "");
}

/* What belongs to a case, a suite or a rerun is their direct child, and of no meaning elsewhere. */
static bool in_its_place(const struct junit_reader *r, enum junit_role role)
{
    enum junit_role parent = r->depth ? r->roles[r->depth - 1] : ROLE_OTHER;
    bool in_rerun = is_rerun(parent) && r->rerun;
    if (role == ROLE_STACK)
        return in_rerun;
    if (is_rerun(role))
        return parent == ROLE_CASE;
    if (is_output(role))
        return in_rerun || parent == ROLE_CASE || parent == ROLE_SUITE;
    return role < ROLE_FAILURE || parent == ROLE_CASE || parent == ROLE_SUITE;
}

enum junit_role junit_begin(struct junit_reader *r, enum junit_role role,
                            const xmlChar **attributes, int count)
{
    static void (*const begin[])(struct junit_reader *, const xmlChar **, int) = {
        [ROLE_SUITES] = begin_suites,
        [ROLE_SUITE] = begin_suite,
        [ROLE_CASE] = begin_case,
        [ROLE_PROPERTY] = begin_property,
    };
    if (!in_its_place(r, role))
        return ROLE_OTHER;
    if (is_problem(role))
        begin_problem(r, role, attributes, count);
    else if (is_rerun(role))
        begin_rerun(r, role, attributes, count);
    else if (role == ROLE_STACK)
        begin_stack(r);
    else if (role < ARRAY_SIZE(begin) && begin[role])
        begin[role](r, attributes, count);
    return role;
}

void junit_end(struct junit_reader *r)
{
    if (r->rerun && is_rerun(r->roles[r->depth]))
        end_rerun(r);
    if (r->test && r->depth == r->test_depth)
        end_case(r);
}

struct capture *junit_text(struct junit_reader *r)
{
    enum junit_role role = r->roles[r->depth - 1];
    enum junit_role parent = r->depth > 1 ? r->roles[r->depth - 2] : ROLE_OTHER;
    if (is_output(role) && parent == ROLE_SUITE && r->whole && r->suite)
        return role == ROLE_OUTPUT ? &r->suite->out : &r->suite->err;
    if (r->rerun && is_output(role))
        return &r->rerun_output;
    if (r->rerun)
        return role == ROLE_STACK || (!r->stack && is_rerun(role)) ? &r->rerun_text : NULL;
    if (r->test && is_output(role))
        return &r->output;
    return r->test && is_problem(role) ? &r->text : NULL;
}

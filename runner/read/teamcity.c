/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TeamCity service messages:
 * https://www.jetbrains.com/help/teamcity/service-messages.html#Reporting+Tests
 *
 * "##teamcity[testFailed name='a' message='b' flowId='1']"; suites are nested within their flow.
 */
#include "read/formats.h"

#include <ctype.h>
#include <string.h>

#include <cleanroom/strbuf.h>
#include <cleanroom/vec.h>

#include "read/index.h"
#include "read/scan.h"
#include "read/sink.h"

#define START          "##teamcity["
#define ATTRIBUTES_MAX 16
#define FLOWS_MAX      10000
#define PATH_MAX_BYTES 2048
#define CLASS_MAX      1024

struct flow {
    char *path; /* its open suites, one a line */
};

struct teamcity {
    VEC(struct flow) flows;
    struct index by_id;
    bool suites; /* there were some */
};

struct attribute {
    char name[24];
    char *value;
};

struct message {
    char name[32];
    struct attribute attributes[ATTRIBUTES_MAX];
    size_t count;
};

static void message_deinit(struct message *m)
{
    for (size_t i = 0; i < m->count; i++)
        free(m->attributes[i].value);
}

static const char *get(const struct message *m, const char *name)
{
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->attributes[i].name, name) == 0)
            return m->attributes[i].value;
    return NULL;
}

static void add_utf8(struct strbuf *out, unsigned c)
{
    if (c < 0x80) {
        strbuf_addc(out, (char)(c ? c : ' '));
    } else if (c < 0x800) {
        strbuf_addc(out, (char)(0xc0 | c >> 6));
        strbuf_addc(out, (char)(0x80 | (c & 0x3f)));
    } else {
        strbuf_addc(out, (char)(0xe0 | c >> 12));
        strbuf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
        strbuf_addc(out, (char)(0x80 | (c & 0x3f)));
    }
}

/* After a "|". Returns what follows the escape. */
static const char *unescape(const char *s, struct strbuf *out)
{
    static const struct {
        char letter;
        const char *text;
    } letters[] = {{'n', "\n"}, {'r', "\r"}, {'x', "\n"}, {'l', "\n"}, {'p', "\n"}};
    char hex[5] = "";
    if (scan_prefix(s, "0x")) {
        for (size_t i = 0; i < 4 && isxdigit((unsigned char)s[2 + i]); i++)
            hex[i] = s[2 + i];
        if (strlen(hex) == 4) {
            add_utf8(out, (unsigned)strtoul(hex, NULL, 16));
            return s + 6;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(letters); i++)
        if (*s == letters[i].letter) {
            strbuf_adds(out, letters[i].text);
            return s + 1;
        }
    if (*s)
        strbuf_addc(out, *s++);
    return s;
}

/* From the opening quote to what follows the closing one; NULL when there is none. */
static const char *read_value(const char *s, struct strbuf *out)
{
    if (*s != '\'')
        return NULL;
    for (s++; *s && *s != '\'';) {
        if (*s == '|')
            s = unescape(s + 1, out);
        else
            strbuf_addc(out, *s++);
    }
    return *s ? s + 1 : NULL;
}

static size_t read_word(const char *s, char *out, size_t size)
{
    size_t len = strcspn(s, " =]'");
    if (len == 0 || len >= size)
        return 0;
    memcpy(out, s, len);
    out[len] = '\0';
    return len;
}

/* From its name on. Returns what follows it, or NULL. */
static const char *read_message(struct message *m, const char *s)
{
    size_t len = read_word(s, m->name, sizeof(m->name));
    if (!len)
        return NULL;
    for (s += len; s += strspn(s, " "), *s && *s != ']';) {
        struct attribute a = {.value = NULL};
        len = read_word(s, a.name, sizeof(a.name));
        s += len;
        if (len && *s == '=')
            s++;
        _cleanup_strbuf_ struct strbuf value = STRBUF_INIT;
        s = read_value(s, &value);
        if (!s)
            return NULL;
        if (m->count < ATTRIBUTES_MAX) {
            a.value = strbuf_detach(&value);
            m->attributes[m->count++] = a;
        }
    }
    return *s == ']' ? s + 1 : NULL;
}

static struct flow *get_flow(struct teamcity *t, const struct message *m)
{
    const char *id = get(m, "flowId");
    id = id ? id : "";
    const struct index_entry *known = index_find(&t->by_id, id);
    if (known)
        return &t->flows.items[known->last];
    if (t->flows.len >= FLOWS_MAX || strlen(id) > 256)
        return t->flows.len ? &t->flows.items[0] : NULL;
    struct flow *f = vec_push(&t->flows);
    f->path = xstrdup("");
    index_add(&t->by_id, id)->last = t->flows.len - 1;
    return f;
}

static void enter_suite(struct flow *f, const char *name)
{
    _cleanup_free_ char *line = xstrndup(name, strcspn(name, "\n"));
    if (strlen(f->path) + strlen(line) > PATH_MAX_BYTES)
        return;
    char *path = xasprintf("%s%s\n", f->path, line);
    free(f->path);
    f->path = path;
}

/* The innermost of that name. */
static void leave_suite(struct flow *f, const char *name)
{
    size_t name_len = strcspn(name, "\n");
    char *found = NULL;
    for (char *line = f->path; *line; line += strcspn(line, "\n") + 1)
        if (strcspn(line, "\n") == name_len && memcmp(line, name, name_len) == 0)
            found = line;
    if (found)
        memmove(found, found + name_len + 1, strlen(found + name_len + 1) + 1);
}

static char *test_key(const struct message *m, const char *name)
{
    const char *id = get(m, "flowId");
    return xasprintf("%s\n%.1024s", id ? id : "", name);
}

/* PHPUnit's suites are those of its configuration, too; it tells the class elsewhere:
   "php_qn:///app/SumTest.php::\Space\SumTest::testAdds". NULL when it does not. */
static char *php_class(const struct message *m)
{
    const char *hint = get(m, "locationHint");
    const char *begin = hint && scan_prefix(hint, "php_qn://") ? strstr(hint, "::\\") : NULL;
    const char *end = begin ? strstr(begin + 3, "::") : NULL;
    return end ? xstrndup(begin + 3, (size_t)(end - begin) - 3) : NULL;
}

/* The class is the suites', or what stands before the name's last dot. */
static size_t begin_test(struct sink *s, const struct flow *f, const struct message *m,
                         const char *name)
{
    const char *dot = memrchr(name, '.', strcspn(name, "([ "));
    _cleanup_strbuf_ struct strbuf classname = STRBUF_INIT;
    for (const char *p = f->path; *p && classname.len < CLASS_MAX; p++)
        if (*p != '\n')
            strbuf_addc(&classname, *p);
        else if (p[1])
            strbuf_adds(&classname, " > ");
    _cleanup_free_ char *php = php_class(m);
    if (php) {
        strbuf_reset(&classname);
        strbuf_adds(&classname, php);
    }
    bool split = !classname.len && dot && dot > name && dot[1];
    if (split)
        strbuf_add(&classname, name, (size_t)(dot - name));
    size_t at = sink_open(s, classname.len ? classname.buf : "teamcity", split ? dot + 1 : name);
    _cleanup_free_ char *key = test_key(m, name);
    sink_key(s, at, key);
    return at;
}

static void fail_test(struct sink *s, size_t at, const struct message *m)
{
    struct result_case *c = sink_case(s, at);
    if (!c)
        return;
    const char *details = get(m, "details");
    c->status = CASE_FAILED;
    sink_message(s, at, get(m, "message"));
    sink_type(s, at, get(m, "type"));
    if (details)
        sink_text(s, at, details, strlen(details));
}

static void finish_test(struct sink *s, size_t at, const struct message *m)
{
    const struct result_case *c = sink_case(s, at);
    if (!c)
        return;
    const char *duration = get(m, "duration");
    nsec_t took = duration ? scan_seconds(strtod(duration, NULL) / 1e3) : -1;
    /* Nobody said it failed, or was ignored. */
    sink_close(s, at, c->status == CASE_ERROR ? CASE_PASSED : c->status, took);
    if (sink_case(s, at)->status == CASE_FAILED)
        sink_message(s, at, sink_case(s, at)->text);
}

static bool test_message(struct sink *s, const struct flow *f, const struct message *m,
                         const char *name)
{
    static const char *const words[] = {"testStarted", "testFailed",   "testIgnored",
                                        "testStdOut",  "testFinished", "testStdErr"};
    size_t what = 0;
    while (what < ARRAY_SIZE(words) && strcmp(m->name, words[what]) != 0)
        what++;
    if (what == ARRAY_SIZE(words))
        return false;

    _cleanup_free_ char *key = test_key(m, name);
    size_t at = what == 0 ? SINK_NONE : sink_find(s, key);
    bool open = sink_is_open(s, at);
    if (!open && what <= 2)
        at = begin_test(s, f, m, name);
    const char *out = get(m, "out");
    if (what == 1)
        fail_test(s, at, m);
    else if (what == 2 && at != SINK_NONE)
        sink_case(s, at)->status = CASE_SKIPPED;
    else if (what == 4 && open)
        finish_test(s, at, m);
    else if ((what == 3 || what == 5) && open && out)
        sink_output(s, at, out, strlen(out));
    if (what == 2) {
        sink_message(s, at, get(m, "message"));
        /* Alone, without a start, it is all there is. */
        if (!open)
            sink_close(s, at, CASE_SKIPPED, -1);
    }
    return true;
}

static void take_message(struct teamcity *t, struct sink *s, const struct message *m)
{
    const char *name = get(m, "name"), *count = get(m, "count");
    struct flow *f = get_flow(t, m);
    long tests;
    if (count && strcmp(m->name, "testCount") == 0 && scan_number(count, &tests))
        sink_say(s, tests);
    if (!name || !f)
        return;
    bool begins = strcmp(m->name, "testSuiteStarted") == 0;
    t->suites |= begins;
    if (begins)
        enter_suite(f, name);
    else if (strcmp(m->name, "testSuiteFinished") == 0)
        leave_suite(f, name);
    else if (!test_message(s, f, m, name))
        return;
    sink_sure(s);
}

/* Once it is sure: what was printed before a message may have had no newline. */
static void teamcity_line(void *state, struct sink *s, const char *line, size_t len)
{
    (void)len;
    const char *p = scan_prefix(line + scan_indent(line), START);
    if (!p && s->sure && (p = strstr(line, START)))
        p += strlen(START);
    while (p) {
        _cleanup_(message_deinit) struct message m;
        m.count = 0;
        p = read_message(&m, p);
        if (p)
            take_message(state, s, &m);
        p = p ? scan_prefix(p + scan_indent(p), START) : NULL;
    }
}

static void teamcity_end(void *state, struct sink *s)
{
    const struct teamcity *t = state;
    bool whole = t->suites;
    for (size_t i = 0; i < t->flows.len; i++) {
        if (!*t->flows.items[i].path)
            continue;
        whole = false;
        sink_problem(s, "the output is cut short: suite '%.*s' did not end",
                     (int)strcspn(t->flows.items[i].path, "\n"), t->flows.items[i].path);
    }
    /* PHPUnit counts the tests of a class that is skipped as a whole, and tells no more of them. */
    long shown = (long)s->found.cases.len;
    if (whole && s->said > shown)
        s->said = shown;
}

static void teamcity_deinit(void *state)
{
    struct teamcity *t = state;
    for (size_t i = 0; i < t->flows.len; i++)
        free(t->flows.items[i].path);
    vec_deinit(&t->flows);
    index_deinit(&t->by_id);
}

const struct reader_format format_teamcity = {
    .name = "teamcity",
    .doc = "TeamCity service messages",
    .state_size = sizeof(struct teamcity),
    .line = teamcity_line,
    .end = teamcity_end,
    .deinit = teamcity_deinit,
};

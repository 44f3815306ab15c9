/* SPDX-License-Identifier: Apache-2.0 */
#include "split/list.h"

#include <ctype.h>
#include <string.h>

#include "report/text.h"
#include "split/list_parts.h"

/* Where a reader of lines is. */
struct scan {
    struct test_list *list;
    enum naming naming;
    struct strvec pending; /* Go: tests whose package comes after them */
    char *suite;           /* GoogleTest, nextest: that of the tests to come; NULL: none */
    bool ended;            /* pytest: what follows is no list */
};

static void scan_deinit(struct scan *s)
{
    strvec_deinit(&s->pending);
    free(s->suite);
}

/* A name is handed to a runner as it is, and said to people: colours are no part of it. */
static bool has_control(const char *id)
{
    for (; *id; id++)
        if (iscntrl((unsigned char)*id) && !isspace((unsigned char)*id))
            return true;
    return false;
}

int list_add(struct test_list *list, enum naming naming, char *id, char *key, struct error *err)
{
    struct test t = {id, key ? key : naming_key(naming, id)};
    *vec_push(&list->tests) = t;
    if (strlen(id) > LIST_ID_MAX)
        return error_set(err, ERROR_CONFIG, "a test's name is longer than %zu bytes: '%.60s...'",
                         LIST_ID_MAX, id);
    if (has_control(id)) {
        _cleanup_free_ char *clean = text_bounded(id, 200);
        return error_set(err, ERROR_CONFIG,
                         "a test's name has control characters in it: '%s'; is the list coloured?",
                         clean);
    }
    if (list->tests.len > LIST_TESTS_MAX)
        return error_set(err, ERROR_CONFIG,
                         "the list has more than %d tests; list classes or files instead",
                         LIST_TESTS_MAX);
    return 0;
}

static int add(struct scan *s, char *id, struct error *err)
{
    return list_add(s->list, s->naming, id, NULL, err);
}

/* The runner says itself that it could not. */
static int refused(const char *line, struct error *err)
{
    _cleanup_free_ char *said = text_first_line(line, 200);
    return error_set(err, ERROR_CONFIG, "the runner could not list its tests: %s", said);
}

static const char *after_prefix(const char *line, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(line, prefix, len) == 0 ? line + len : NULL;
}

static bool ends_with(const char *line, const char *end)
{
    size_t len = strlen(line), end_len = strlen(end);
    return len >= end_len && strcmp(line + len - end_len, end) == 0;
}

static const char *skip_blanks(const char *line)
{
    return line + strspn(line, " \t");
}

static int take_plain(struct scan *s, char *line, struct error *err)
{
    const char *test = skip_blanks(line);
    return *test && *test != '#' ? add(s, xstrdup(test), err) : 0;
}

/* "ERROR tests/test_a.py - ImportError: no", but not what an entry point logs. */
static bool is_pytest_error(const char *line)
{
    const char *path = after_prefix(line, "ERROR ");
    const char *end = path ? path + strcspn(path, " ") : NULL;
    return end && end > path && (!*end || after_prefix(end, " - ")) &&
           (memchr(path, '/', (size_t)(end - path)) ||
            memmem(path, (size_t)(end - path), ".py", 3));
}

/* The ids stand together; a blank line ends them, and what follows may name tests again. */
static int take_pytest(struct scan *s, char *line, struct error *err)
{
    if (is_pytest_error(line))
        return refused(line, err);
    if (!*line && s->list->tests.len > 0)
        s->ended = true;
    const char *colons = strstr(line, "::");
    if (s->ended || !colons || colons == line || isspace((unsigned char)*line))
        return 0;
    return add(s, xstrdup(line), err);
}

/* "test_a (module.Class) ... ok"; since Python 3.11 the parentheses hold the test, too. */
static int take_unittest(struct scan *s, char *line, struct error *err)
{
    size_t name = strcspn(line, " ");
    const char *class = after_prefix(line + name, " (");
    size_t len = class ? strcspn(class, ") ") : 0;
    if (name == 0 || len == 0 || class[len] != ')' || !memchr(class, '.', len))
        return 0;
    _cleanup_free_ char *own = xasprintf(".%.*s", (int)name, line);
    char *id = xstrndup(class, len);
    if (ends_with(id, own))
        return add(s, id, err);
    char *whole = xasprintf("%s%s", id, own);
    free(id);
    return add(s, whole, err);
}

static int take_gtest(struct scan *s, char *line, struct error *err)
{
    bool indented = strncmp(line, "  ", 2) == 0;
    const char *comment = strstr(line, "  # ");
    if (comment)
        line[comment - line] = '\0';
    if (!indented) {
        free(s->suite);
        s->suite = *line && ends_with(line, ".") && !strchr(line, ' ') ? xstrdup(line) : NULL;
        return 0;
    }
    const char *test = line + 2;
    /* Listed, but not run. */
    if (!s->suite || !*test || strstr(s->suite, "DISABLED_") || strstr(test, "DISABLED_"))
        return 0;
    return add(s, xasprintf("%s%s", s->suite, test), err);
}

static int take_ctest(struct scan *s, char *line, struct error *err)
{
    const char *p = after_prefix(skip_blanks(line), "Test ");
    p = p ? after_prefix(skip_blanks(p), "#") : NULL;
    size_t digits = p ? strspn(p, "0123456789") : 0;
    const char *test = digits ? after_prefix(p + digits, ": ") : NULL;
    if (!test || !*test || ends_with(test, " (Disabled)"))
        return 0;
    return add(s, xstrdup(test), err);
}

static bool is_go_name(const char *line)
{
    static const char *const kinds[] = {"Test", "Example", "Fuzz"};
    bool known = false;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        known |= after_prefix(line, kinds[i]) != NULL;
    return known && !strpbrk(line, " \t./");
}

/* The names of a package's tests, then "ok  \tPACKAGE\t0.003s". */
static int take_go(struct scan *s, char *line, struct error *err)
{
    if (after_prefix(line, "FAIL"))
        return refused(line, err);
    if (is_go_name(line)) {
        strvec_push(&s->pending, line);
        return 0;
    }
    const char *package = after_prefix(line, "ok ");
    if (!package)
        return 0;
    package += strspn(package, " \t");
    for (size_t i = 0; i < s->pending.len; i++) {
        char *id = xasprintf("%.*s %s", (int)strcspn(package, " \t"), package, s->pending.items[i]);
        if (add(s, id, err) < 0)
            return -1;
    }
    strvec_deinit(&s->pending);
    return 0;
}

static int take_phpunit(struct scan *s, char *line, struct error *err)
{
    const char *test = after_prefix(line, " - ");
    return test && strstr(test, "::") ? add(s, xstrdup(test), err) : 0;
}

static int take_nextest(struct scan *s, char *line, struct error *err)
{
    if (!isspace((unsigned char)*line)) {
        free(s->suite);
        s->suite = ends_with(line, ":") ? xstrndup(line, strlen(line) - 1) : NULL;
        return 0;
    }
    const char *test = skip_blanks(line);
    if (!s->suite || !*test || ends_with(test, ":") || ends_with(test, " (skipped)"))
        return 0;
    return add(s, xasprintf("%s %s", s->suite, test), err);
}

static int take_playwright(struct scan *s, char *line, struct error *err)
{
    const char *test = after_prefix(line, "  ");
    return test && strstr(test, " \xe2\x80\xba ") ? add(s, xstrdup(test), err) : 0;
}

/* A format has lines, or is read as a whole. */
static const struct {
    const char *name;
    int (*line)(struct scan *s, char *line, struct error *err);
    int (*whole)(struct test_list *list, const char *text, size_t len, struct error *err);
} formats[LIST_FORMATS] = {
    [LIST_PLAIN] = {.name = "plain", .line = take_plain},
    [LIST_PYTEST] = {.name = "pytest", .line = take_pytest},
    [LIST_UNITTEST] = {.name = "unittest", .line = take_unittest},
    [LIST_GTEST] = {.name = "gtest", .line = take_gtest},
    [LIST_CTEST] = {.name = "ctest", .line = take_ctest},
    [LIST_GO] = {.name = "go", .line = take_go},
    [LIST_PHPUNIT] = {.name = "phpunit", .line = take_phpunit},
    [LIST_NEXTEST] = {.name = "nextest", .line = take_nextest},
    [LIST_PLAYWRIGHT] = {.name = "playwright", .line = take_playwright},
    [LIST_MOCHA] = {.name = "mocha", .whole = list_read_mocha},
    [LIST_RSPEC] = {.name = "rspec", .whole = list_read_rspec},
};

const char *list_format_name(enum list_format format)
{
    return formats[format].name;
}

int list_format_of(const char *name)
{
    for (int f = 0; f < LIST_FORMATS; f++)
        if (strcmp(formats[f].name, name) == 0)
            return f;
    return -1;
}

static int read_lines(struct test_list *list, enum list_format format, enum naming naming,
                      const char *text, size_t len, struct error *err)
{
    _cleanup_(scan_deinit) struct scan s = {.list = list, .naming = naming};
    for (const char *p = text, *end = text + len; p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *line_end = newline ? newline : end;
        size_t line_len = (size_t)(line_end - p);
        while (line_len > 0 && isspace((unsigned char)p[line_len - 1]))
            line_len--;
        _cleanup_free_ char *line = xstrndup(p, line_len);
        if (formats[format].line(&s, line, err) < 0)
            return -1;
        p = newline ? newline + 1 : end;
    }
    if (s.pending.len > 0)
        return error_set(err, ERROR_CONFIG, "the list ends before the package of test '%s'",
                         s.pending.items[0]);
    return 0;
}

/* By id, and those of the same as they came. */
static int compare_tests(const void *a, const void *b)
{
    const struct test *x = *(struct test *const *)a, *y = *(struct test *const *)b;
    int order = strcmp(x->id, y->id);
    return order ? order : (x > y) - (x < y);
}

static void test_deinit(struct test *t)
{
    free(t->id);
    free(t->key);
    *t = (struct test){0};
}

static void drop_empty(struct test_list *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->tests.len; i++)
        if (list->tests.items[i].id)
            list->tests.items[kept++] = list->tests.items[i];
    list->tests.len = kept;
}

/* Mocha's tests are handed out by files, and titles of one file may be the same: those are one. */
static int settle_duplicates(struct test_list *list, enum list_format format, struct error *err)
{
    size_t len = list->tests.len;
    _cleanup_free_ struct test **sorted = xcalloc(len, sizeof(*sorted));
    for (size_t i = 0; i < len; i++)
        sorted[i] = &list->tests.items[i];
    qsort(sorted, len, sizeof(*sorted), compare_tests);
    for (size_t i = len - 1; i > 0; i--) {
        if (strcmp(sorted[i - 1]->id, sorted[i]->id) != 0)
            continue;
        if (format != LIST_MOCHA)
            return error_set(err, ERROR_CONFIG,
                             "test '%s' is twice in the list, so that nobody could tell which of "
                             "the two ran; give one of them another name",
                             sorted[i]->id);
        test_deinit(sorted[i]);
    }
    drop_empty(list);
    return 0;
}

int test_list_read(struct test_list *list, enum list_format format, enum naming naming,
                   const char *text, size_t len, struct error *err)
{
    if (len > LIST_TEXT_MAX)
        return error_set(err, ERROR_CONFIG, "the list of tests is longer than %zu MiB",
                         LIST_TEXT_MAX >> 20);
    if (memchr(text, '\0', len))
        return error_set(err, ERROR_CONFIG, "the list of tests is no text: it has a NUL byte");
    int failed = formats[format].whole ? formats[format].whole(list, text, len, err)
                                       : read_lines(list, format, naming, text, len, err);
    if (failed)
        return -1;
    if (list->tests.len == 0)
        return error_set(err, ERROR_CONFIG,
                         "the list has no test in it (it was read as that of '%s')",
                         formats[format].name);
    return settle_duplicates(list, format, err);
}

void test_list_deinit(struct test_list *list)
{
    for (size_t i = 0; i < list->tests.len; i++)
        test_deinit(&list->tests.items[i]);
    vec_deinit(&list->tests);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "split/naming.h"

#include <string.h>

#include <cleanroom/strbuf.h>

#define ARROW " \xe2\x80\xba " /* U+203A, as Playwright prints it */

static const char *const granularities[GRANULARITIES] = {
    [GRANULARITY_TEST] = "test",
    [GRANULARITY_CLASS] = "class",
    [GRANULARITY_FILE] = "file",
};

const char *granularity_name(enum granularity g)
{
    return granularities[g];
}

int granularity_of(const char *name)
{
    for (int g = 0; g < GRANULARITIES; g++)
        if (strcmp(granularities[g], name) == 0)
            return g;
    return -1;
}

/* The first len bytes of s, or all of it when there is no such end. */
static char *up_to(const char *s, const char *end)
{
    return end ? xstrndup(s, (size_t)(end - s)) : xstrdup(s);
}

static void replace_bytes(char *s, char from, char to)
{
    for (; (s = strchr(s, from)); s++)
        *s = to;
}

static const char *without_dot(const char *path)
{
    return strncmp(path, "./", 2) == 0 ? path + 2 : path;
}

/* --- dotted ----------------------------------------------------------------------------------- */

static char *dotted_class(const char *id)
{
    return up_to(id, strrchr(id, '.'));
}

static char *dotted_file(const char *id)
{
    _cleanup_free_ char *class = dotted_class(id);
    return dotted_class(class);
}

/* --- pytest ----------------------------------------------------------------------------------- */

/* Parameters may contain anything, "::" too. */
static size_t pytest_bare_length(const char *id)
{
    return strcspn(id, "[");
}

/* The outermost class, because a class is run with those in it. A function has none and stands for
   itself, with all its parameters: its file would be run with the classes in it. */
static char *pytest_class(const char *id)
{
    _cleanup_free_ char *bare = xstrndup(id, pytest_bare_length(id));
    const char *first = strstr(bare, "::");
    return up_to(bare, first ? strstr(first + 2, "::") : NULL);
}

static char *file_before_colons(const char *id)
{
    return up_to(id, strstr(id, "::"));
}

/* As pytest's own mangle_test_address() does it. */
static char *pytest_key(const char *id)
{
    size_t bare = pytest_bare_length(id);
    _cleanup_free_ char *name = xstrndup(id, bare);
    _cleanup_free_ char *file = file_before_colons(name);
    size_t file_len = strlen(file);
    struct strbuf key = STRBUF_INIT;

    strbuf_adds(&key, file);
    if (key.len > 3 && strcmp(key.buf + key.len - 3, ".py") == 0)
        strbuf_truncate(&key, key.len - 3);
    for (char *p = key.len ? key.buf : NULL; p && *p; p++)
        if (*p == '/')
            *p = '.';
    for (const char *p = name + file_len; *p; p++) {
        if (strncmp(p, "::", 2) == 0) {
            strbuf_addc(&key, '.');
            p++;
        } else {
            strbuf_addc(&key, *p);
        }
    }
    strbuf_adds(&key, id + bare);
    return strbuf_detach(&key);
}

/* --- PHPUnit ---------------------------------------------------------------------------------- */

/* Without the data set: "Class::test#0", "Class::test\"first\"". */
static char *phpunit_test(const char *id)
{
    return xstrndup(id, strcspn(id, "#\""));
}

static char *phpunit_key(const char *id)
{
    char *key = phpunit_test(id);
    replace_bytes(key, '\\', '.');
    return key;
}

static char *phpunit_case(const struct result_case *c)
{
    _cleanup_free_ char *name = up_to(c->name, strstr(c->name, " with data set "));
    char *key = xasprintf("%s::%s", c->classname, name);
    replace_bytes(key, '\\', '.');
    return key;
}

/* --- Go, nextest, Mocha, RSpec, Playwright ---------------------------------------------------- */

static char *before_space(const char *id)
{
    return up_to(id, strchr(id, ' '));
}

static char *after_space(const char *id)
{
    const char *space = strchr(id, ' ');
    return xstrdup(space ? space + 1 : id);
}

static char *spaced_case(const struct result_case *c)
{
    return xasprintf("%s %s", c->classname, c->name);
}

/* The title of a test with those of the suites around it: mocha-junit-reporter writes it into the
   name and the test's own into the class; Mocha's own xunit those around it into the class. */
static char *mocha_case(const struct result_case *c)
{
    size_t name = strlen(c->name), class = strlen(c->classname);
    if (class > 0 && name >= class && strcmp(c->name + name - class, c->classname) == 0)
        return xstrdup(c->name);
    return class > 0 ? spaced_case(c) : xstrdup(c->name);
}

static char *rspec_file(const char *id)
{
    return up_to(id, strrchr(id, '['));
}

static const char *playwright_place(const char *id)
{
    const char *arrow = *id == '[' ? strstr(id, ARROW) : NULL;
    return arrow ? arrow + strlen(ARROW) : id;
}

/* "file:line:column" without the last `colons` of its parts. */
static char *playwright_cut(const char *id, int colons)
{
    const char *place = playwright_place(id);
    char *cut = up_to(place, strstr(place, ARROW));
    while (colons-- > 0) {
        char *colon = strrchr(cut, ':');
        if (colon)
            *colon = '\0';
    }
    return cut;
}

static char *playwright_line(const char *id)
{
    return playwright_cut(id, 1);
}

static char *playwright_file(const char *id)
{
    return playwright_cut(id, 2);
}

static char *playwright_key(const char *id)
{
    _cleanup_free_ char *file = playwright_file(id);
    const char *title = strstr(playwright_place(id), ARROW);
    return xasprintf("%s%s", file, title ? title : "");
}

static char *playwright_case(const struct result_case *c)
{
    return xasprintf("%s" ARROW "%s", c->classname, c->name);
}

/* --- the rest --------------------------------------------------------------------------------- */

static char *dotted_case(const struct result_case *c)
{
    return c->classname[0] ? xasprintf("%s.%s", c->classname, c->name) : xstrdup(c->name);
}

static char *name_case(const struct result_case *c)
{
    return xstrdup(c->name);
}

static char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return xstrdup(slash ? slash + 1 : path);
}

static char *class_base_name(const struct result_case *c)
{
    return base_name(c->classname);
}

static char *class_path(const struct result_case *c)
{
    return xstrdup(without_dot(c->classname));
}

static char *relative(const char *path)
{
    return xstrdup(without_dot(path));
}

/* NULL: the id itself, or that of the next smaller granularity. */
static const struct {
    char *(*group[GRANULARITIES])(const char *id);
    char *(*key)(const char *id);
    char *(*of_case)(const struct result_case *c);
    char separator;
    bool blind, repeats;
} namings[NAMINGS] = {
    [NAMING_PLAIN] = {.of_case = dotted_case},
    [NAMING_NAME] = {.of_case = name_case, .separator = '/'},
    [NAMING_DOTTED] = {.group = {NULL, dotted_class, dotted_file},
                       .of_case = dotted_case,
                       .separator = '.'},
    [NAMING_PYTEST] = {.group = {NULL, pytest_class, file_before_colons},
                       .key = pytest_key,
                       .of_case = dotted_case},
    [NAMING_PHPUNIT] = {.group = {phpunit_test, file_before_colons},
                        .key = phpunit_key,
                        .of_case = phpunit_case},
    [NAMING_GO] = {.group = {after_space, before_space}, .of_case = spaced_case, .separator = '/'},
    [NAMING_NEXTEST] = {.group = {NULL, before_space}, .of_case = spaced_case},
    [NAMING_MOCHA] = {.group = {NULL, NULL, file_before_colons},
                      .of_case = mocha_case,
                      .repeats = true},
    [NAMING_RSPEC] = {.group = {NULL, NULL, rspec_file}, .of_case = name_case, .repeats = true},
    [NAMING_PLAYWRIGHT] = {.group = {playwright_line, NULL, playwright_file},
                           .key = playwright_key,
                           .of_case = playwright_case},
    [NAMING_FILE] = {.key = relative, .of_case = dotted_case, .blind = true, .repeats = true},
    [NAMING_FILE_PATH] = {.key = relative, .of_case = class_path},
    [NAMING_FILE_CLASS] = {.key = base_name, .of_case = class_base_name, .repeats = true},
};

char *naming_group(enum naming naming, const char *id, enum granularity granularity)
{
    for (int g = (int)granularity; g >= 0; g--)
        if (namings[naming].group[g])
            return namings[naming].group[g](id);
    return xstrdup(id);
}

char *naming_key(enum naming naming, const char *id)
{
    return namings[naming].key ? namings[naming].key(id) : xstrdup(id);
}

char *naming_case(enum naming naming, const struct result_case *c)
{
    return namings[naming].of_case(c);
}

char naming_separator(enum naming naming)
{
    return namings[naming].separator;
}

bool naming_parent(enum naming naming, char *key)
{
    char *last = namings[naming].separator ? strrchr(key, namings[naming].separator) : NULL;
    if (!last || last == key)
        return false;
    *last = '\0';
    return true;
}

bool naming_is_blind(enum naming naming)
{
    return namings[naming].blind;
}

bool naming_repeats(enum naming naming)
{
    return namings[naming].repeats;
}

/* Python's: "package.module.Class.setUpClass", or "setUpClass (package.module.Class)" behind
   whatever class a report gives it. */
char *naming_fixture(enum naming naming, const char *key)
{
    static const char *const names[] = {"setUpClass", "setUpModule"};
    for (size_t i = 0; i < ARRAY_SIZE(names) && naming == NAMING_DOTTED; i++) {
        const char *at = strstr(key, names[i]);
        const char *after = at ? at + strlen(names[i]) : NULL;
        if (at && !*after && at > key && at[-1] == '.')
            return xstrndup(key, (size_t)(at - key) - 1);
        if (at && strncmp(after, " (", 2) == 0)
            return xstrndup(after + 2, strcspn(after + 2, ")"));
    }
    return NULL;
}

int naming_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t naming_place(const void *items, size_t len, size_t size, const char *key)
{
    size_t low = 0, high = len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *const *at = (const void *)((const char *)items + middle * size);
        if (strcmp(*at, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The words that a shard's part becomes, and that each row of the table can make some. */
#include "split/presets.h"
#include "tap.h"

#include <cleanroom/strbuf.h>

static const char *const names[] = {"a b", "c|d(e)", "f\"g,\\h", "i^j/k"};

/* The words joined by blanks, or the error. Release with free(). */
static char *words_of(const struct part_form *form, size_t tests)
{
    _cleanup_strvec_ struct strvec list = STRVEC_INIT, words = STRVEC_INIT;
    _cleanup_error_ struct error err = ERROR_INIT;
    for (size_t i = 0; i < tests; i++)
        strvec_push(&list, names[i]);
    const struct part_values values = {
        .tests = &list, .file = "/c/tests", .report = "/c/xml", .number = 2, .total = 4};
    if (part_words(&words, form, &values, &err) < 0)
        return xstrdup(err.message);
    return strvec_join(&words, " ; ");
}

#define check_words(tests, want, ...)                                                              \
    do {                                                                                           \
        const struct part_form _form = {__VA_ARGS__};                                              \
        _cleanup_free_ char *_words = words_of(&_form, tests);                                     \
        check_str(_words, want);                                                                   \
    } while (0)

static void test_words(void)
{
    static const char *const each[] = {"run", "-t={test}", "{other}", NULL};
    static const char *const joined[] = {"--filter=^({tests})$", "./...", NULL};
    static const char *const shard[] = {"--shard={number}/{total}", "-i", "{index}", NULL};
    static const char *const file[] = {"@{file}", "--xml={report}", NULL};
    check_words(2, "run ; -t=a b ; -t=c|d(e) ; {other}", .words = each);
    check_words(2, "--filter=^(a b c|d(e))$ ; ./...", .words = joined);
    check_words(3, "--filter=^(a b|c\\|d\\(e\\)|f\"g,\\\\h)$ ; ./...", .words = joined,
                .joiner = "|", .quote = QUOTE_REGEX);
    check_words(4, "--filter=^(<a b>:<c[|]d[(]e[)]>:<f\"g,\\\\h>:<i\\^j/k>)$ ; ./...",
                .words = joined, .joiner = ":", .quote = QUOTE_POSIX, .each = "<%s>");
    check_words(1, "--shard=2/4 ; -i ; 1", .words = shard);
    check_words(1, "@/c/tests ; --xml=/c/xml", .words = file);
    check_words(0, "a part without tests would run all of them", .words = file);
}

static void test_file(void)
{
    const struct part_form form = {.quote = QUOTE_CATCH2};
    _cleanup_strvec_ struct strvec list = STRVEC_INIT;
    strvec_push(&list, names[0]);
    strvec_push(&list, names[2]);
    _cleanup_free_ char *text = part_file(&form, &list);
    check_str(text, "\"a b\"\n\"f\\\"g\\,\\\\h\"\n");
}

/* The kernel would refuse them with a word that helps nobody. */
static void test_too_long(void)
{
    static const char *const joined[] = {"{tests}", NULL}, *const each[] = {"{test}", NULL};
    static const char *const *const all[] = {joined, each};
    static const int counts[] = {2100, 30000};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        _cleanup_strvec_ struct strvec list = STRVEC_INIT, words = STRVEC_INIT;
        _cleanup_error_ struct error err = ERROR_INIT;
        const struct part_form form = {.words = all[i]};
        const struct part_values values = {.tests = &list};
        for (int k = 0; k < counts[i]; k++)
            strvec_pushf(&list, "%064d", k);
        check_int(part_words(&words, &form, &values, &err), -1);
        check_contains(err.message, "do not fit into a command line; hand out classes or files");
    }
}

/* What each row must have for anything to come of it. */
static void test_presets(void)
{
    for (size_t i = 0; preset_at(i); i++) {
        const struct preset *p = preset_at(i);
        struct part_form form;
        check(preset_find(p->name) == p);
        check(strncmp(p->source, "https://", 8) == 0);
        check(p->list[0] || p->files);
        check(preset_form(p, p->granularity, &form));
        check(p->granularity == GRANULARITY_TEST || !preset_form(p, GRANULARITY_TEST, &form));
        for (int g = 0; g < GRANULARITIES; g++) {
            if (!preset_form(p, (enum granularity)g, &form))
                continue;
            _cleanup_free_ char *words = words_of(&form, 1);
            _cleanup_free_ char *file = xstrdup("/c/tests");
            check(strstr(words, "a b") || strstr(words, file));
            check(!strchr(words, '{'));
        }
    }
    check(preset_find("pytest-xdist") == NULL);
}

static void test_names(void)
{
    for (int f = 0; f < LIST_FORMATS; f++)
        check_int(list_format_of(list_format_name((enum list_format)f)), f);
    for (int g = 0; g < GRANULARITIES; g++)
        check_int(granularity_of(granularity_name((enum granularity)g)), g);
    check_int(list_format_of("nose"), -1);
    check_int(granularity_of("module"), -1);
}

int main(void)
{
    return tap_run((struct tap_test[]){
        TAP(test_words),
        TAP(test_file),
        TAP(test_too_long),
        TAP(test_presets),
        TAP(test_names),
        {0},
    });
}

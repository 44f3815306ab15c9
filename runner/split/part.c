/* SPDX-License-Identifier: Apache-2.0 */
#include "split/part.h"

#include <stdbool.h>
#include <string.h>

#include <cleanroom/strbuf.h>

#define TEST "{test}"

static void quote_regex(struct strbuf *out, const char *test)
{
    for (; *test; test++) {
        if (strchr("\\^$.|?*+()[]{}/", *test))
            strbuf_addc(out, '\\');
        strbuf_addc(out, *test);
    }
}

/* Neither a caret nor a backslash may stand alone in brackets. */
static void quote_posix(struct strbuf *out, const char *test)
{
    for (; *test; test++) {
        if (strchr("$.|?*+()[]", *test))
            strbuf_addf(out, "[%c]", *test);
        else if (*test == '^' || *test == '\\')
            strbuf_addf(out, "\\%c", *test);
        else
            strbuf_addc(out, *test);
    }
}

static void quote_catch2(struct strbuf *out, const char *test)
{
    strbuf_addc(out, '"');
    for (; *test; test++) {
        if (strchr("\\\",[", *test))
            strbuf_addc(out, '\\');
        strbuf_addc(out, *test);
    }
    strbuf_addc(out, '"');
}

static void quote_none(struct strbuf *out, const char *test)
{
    strbuf_adds(out, test);
}

static void (*const quotes[])(struct strbuf *out, const char *test) = {
    [QUOTE_NONE] = quote_none,
    [QUOTE_REGEX] = quote_regex,
    [QUOTE_POSIX] = quote_posix,
    [QUOTE_CATCH2] = quote_catch2,
};

static void add_each(struct strbuf *out, const struct part_form *form, const char *test)
{
    const char *hole = form->each ? strstr(form->each, "%s") : NULL;
    if (hole)
        (void)strbuf_add(out, form->each, (size_t)(hole - form->each));
    quotes[form->quote](out, test);
    if (hole)
        strbuf_adds(out, hole + strlen("%s"));
}

static void add_joined(struct strbuf *out, const struct part_form *form,
                       const struct part_values *values)
{
    for (size_t i = 0; values->tests && i < values->tests->len; i++) {
        if (i > 0)
            strbuf_adds(out, form->joiner ? form->joiner : " ");
        add_each(out, form, values->tests->items[i]);
    }
}

/* Appends what stands for the braces at p and yields their length; 0: they mean nothing. */
static size_t fill(struct strbuf *out, const char *p, const struct part_form *form,
                   const struct part_values *values, const char *test)
{
    const struct {
        const char *name;
        const char *text;
        int number;
    } holes[] = {
        {"{file}", values->file, 0},        {"{report}", values->report, 0},
        {"{number}", NULL, values->number}, {"{index}", NULL, values->number - 1},
        {"{total}", NULL, values->total},
    };
    if (test && strncmp(p, TEST, strlen(TEST)) == 0) {
        quotes[form->quote](out, test);
        return strlen(TEST);
    }
    if (values->tests && strncmp(p, "{tests}", strlen("{tests}")) == 0) {
        add_joined(out, form, values);
        return strlen("{tests}");
    }
    for (size_t i = 0; i < ARRAY_SIZE(holes); i++) {
        if (strncmp(p, holes[i].name, strlen(holes[i].name)) != 0)
            continue;
        if (holes[i].text)
            strbuf_adds(out, holes[i].text);
        else
            strbuf_addf(out, "%d", holes[i].number);
        return strlen(holes[i].name);
    }
    return 0;
}

static int add_word(struct strvec *words, size_t *bytes, const char *word,
                    const struct part_form *form, const struct part_values *values,
                    const char *test, struct error *err)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    for (const char *p = word; *p;) {
        size_t len = *p == '{' ? fill(&out, p, form, values, test) : 0;
        if (len == 0)
            strbuf_addc(&out, *p++);
        p += len;
    }
    *bytes += out.len + 1 + sizeof(char *);
    if (out.len > PART_WORD_MAX || *bytes > PART_WORDS_MAX)
        return error_set(err, ERROR_CONFIG,
                         "the names of a shard's tests do not fit into a command line; hand out "
                         "classes or files, or more shards, or read CLEANROOM_TESTS_FILE");
    strvec_push(words, out.buf);
    return 0;
}

int part_words(struct strvec *words, const struct part_form *form, const struct part_values *values,
               struct error *err)
{
    size_t bytes = 0;
    if (values->tests && values->tests->len == 0)
        return error_set(err, ERROR_INTERNAL, "a part without tests would run all of them");
    for (const char *const *word = form->words; *word; word++) {
        bool repeated = values->tests && strstr(*word, TEST);
        size_t count = repeated ? values->tests->len : 1;
        for (size_t i = 0; i < count; i++)
            if (add_word(words, &bytes, *word, form, values,
                         repeated ? values->tests->items[i] : NULL, err) < 0)
                return -1;
    }
    return 0;
}

char *part_file(const struct part_form *form, const struct strvec *tests)
{
    struct strbuf out = STRBUF_INIT;
    for (size_t i = 0; i < tests->len; i++) {
        add_each(&out, form, tests->items[i]);
        strbuf_addc(&out, '\n');
    }
    return strbuf_detach(&out);
}

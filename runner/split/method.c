/* SPDX-License-Identifier: Apache-2.0 */
#include "split/method.h"

#include <string.h>

#include <cleanroom/reader.h>

#include "config/origin.h"
#include "config/own.h"

/* Where a setting was said. */
static struct origin origin_of(const struct settings *s, const char *flag)
{
    const struct setting_def *def = own_by_flag(flag);
    const char *source = s->own_sources ? s->own_sources[def - setting_defs].source : flag;
    return (struct origin){.name = source, .kind = ERROR_CONFIG};
}

static bool was_said(const struct settings *s, const char *flag)
{
    return strcmp(origin_of(s, flag).name, "default") != 0;
}

static int find_preset(struct method *r, const struct settings *s, struct error *err)
{
    VEC(const char *) names = {0};
    if (!s->own.runner)
        return 0;
    r->preset = preset_find(s->own.runner);
    for (size_t i = 0; preset_at(i); i++)
        *vec_push(&names) = preset_at(i)->name;
    const struct origin origin = origin_of(s, "runner");
    int found = r->preset
                    ? 0
                    : origin_unknown(&origin, err, "runner", s->own.runner, names.items, names.len);
    vec_deinit(&names);
    return found;
}

/* A format says whose names they are. */
static enum naming naming_of(enum list_format format)
{
    for (size_t i = 0; preset_at(i) && format != LIST_PLAIN; i++)
        if (preset_at(i)->format == format)
            return preset_at(i)->naming;
    return NAMING_PLAIN;
}

static int find_format(struct method *r, const struct settings *s, struct error *err)
{
    r->format = r->preset && !r->by_files ? r->preset->format : LIST_PLAIN;
    r->naming = r->preset ? r->preset->naming : NAMING_PLAIN;
    if (!s->own.list_format)
        return 0;
    int format = list_format_of(s->own.list_format);
    if (format < 0) {
        const char *names[LIST_FORMATS];
        for (int i = 0; i < LIST_FORMATS; i++)
            names[i] = list_format_name((enum list_format)i);
        const struct origin origin = origin_of(s, "list-format");
        return origin_unknown(&origin, err, "format", s->own.list_format, names, LIST_FORMATS);
    }
    r->format = (enum list_format)format;
    if (!r->preset)
        r->naming = naming_of(r->format);
    return 0;
}

static int find_granularity(struct method *r, const struct settings *s, struct error *err)
{
    static const enum granularity asked[] = {[GRANULE_TEST] = GRANULARITY_TEST,
                                             [GRANULE_CLASS] = GRANULARITY_CLASS,
                                             [GRANULE_FILE] = GRANULARITY_FILE};
    static const char *const by_name[] = {"{test}", NULL};
    r->granularity = s->own.granularity != GRANULE_AUTO ? asked[s->own.granularity]
                     : r->preset                        ? r->preset->granularity
                                                        : GRANULARITY_TEST;
    if (r->by_files && r->preset->files_dotted)
        r->granularity = GRANULARITY_TEST; /* they are handed out as they are listed */
    if (s->own.part.len) {
        r->words = xcalloc(s->own.part.len + 1, sizeof(*r->words));
        for (size_t i = 0; i < s->own.part.len; i++)
            r->words[i] = s->own.part.items[i];
        r->form = (struct part_form){.words = r->words};
        if (r->preset) {
            r->form.joiner = r->preset->joiner;
            r->form.quote = r->preset->quote;
        }
        return 0;
    }
    if (!r->preset) {
        r->form = (struct part_form){.words = by_name};
        return 0;
    }
    if (preset_form(r->preset, r->granularity, &r->form))
        return 0;
    const struct origin origin = origin_of(s, "granularity");
    return origin_error(&origin, err, "runner '%s' cannot be handed a part by %s; use %s",
                        r->preset->name, granularity_name(r->granularity),
                        granularity_name(r->preset->granularity));
}

/* Nobody said how, and the runner reads no variable and has no flag. */
static bool cannot_divide(const struct method *r, const struct settings *s)
{
    return r->preset && !was_said(s, "split") && !r->preset->shard[0] &&
           !r->preset->shard_variables;
}

static int check_list(struct method *r, const struct settings *s, struct error *err)
{
    const struct cleanroom_settings *own = &s->own;
    const struct origin origin = origin_of(s, "split");
    bool named = own->list.len || own->list_file;
    if (own->list.len && own->list_file) {
        const struct origin both = origin_of(s, "list-file");
        return origin_error(&both, err, "there is 'list' too; keep one of them");
    }
    if (r->split != SPLIT_ENV && !named && !r->preset && !s->plan_input)
        return origin_error(&origin, err,
                            "the tests have to be listed for that: set 'runner' (as pytest), "
                            "'list' (the words that print them) or 'list-file'");
    r->by_files = !named && r->preset && !r->preset->list[0];
    r->listed = r->split != SPLIT_ENV || named || (own->retries && r->preset);
    return 0;
}

static int check_reader(const struct settings *s, struct error *err)
{
    const char *named = s->own.reader;
    VEC(const char *) names = {0};
    bool known = !named || strcmp(named, "auto") == 0 || strcmp(named, "none") == 0;
    *vec_push(&names) = "auto";
    *vec_push(&names) = "none";
    for (size_t i = 0; reader_formats[i]; i++) {
        *vec_push(&names) = reader_formats[i]->name;
        known = known || strcmp(named, reader_formats[i]->name) == 0;
    }
    const struct origin origin = origin_of(s, "reader");
    int r = known ? 0 : origin_unknown(&origin, err, "reader", named, names.items, names.len);
    vec_deinit(&names);
    return r;
}

static int check_rest(const struct settings *s, struct error *err)
{
    const struct cleanroom_settings *own = &s->own;
    if (own->reports && own->reports[0] != '/') {
        const struct origin origin = origin_of(s, "reports");
        return origin_error(&origin, err,
                            "'%s' is to begin with '/': it is a path in the app's container, as "
                            "/app/build/*.xml",
                            own->reports);
    }
    if ((own->repeat > 1 || own->until_fail) && own->retries) {
        const struct origin origin = origin_of(s, "retries");
        return origin_error(&origin, err,
                            "tests are repeated to see them fail, and retried to see them pass; "
                            "keep one of them");
    }
    return 0;
}

int method_make(struct method *r, const struct settings *settings, struct error *err)
{
    *r = (struct method){.split = settings->own.split};
    if (find_preset(r, settings, err) < 0)
        return -1;
    if (cannot_divide(r, settings))
        r->split = SPLIT_LIST;
    if (check_list(r, settings, err) < 0 || find_format(r, settings, err) < 0 ||
        find_granularity(r, settings, err) < 0 || check_reader(settings, err) < 0 ||
        check_rest(settings, err) < 0) {
        method_deinit(r);
        return -1;
    }
    return 0;
}

void method_deinit(struct method *r)
{
    free(r->words);
    r->words = NULL;
}

/* --- the list --------------------------------------------------------------------------------- */

/* Below the working directory, but for what others have written and what is hidden. */
static const char find_script[] =
    "exec find . \\( -name node_modules -o -name vendor -o -name '.?*' \\) -prune -o "
    "-type f \\( %s \\) -print";

static void push_find(const char *patterns, struct strvec *words)
{
    _cleanup_strvec_ struct strvec each = STRVEC_INIT;
    _cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
    strvec_split(&each, patterns, " ");
    for (size_t i = 0; i < each.len; i++)
        strbuf_addf(&names, "%s-name '%s'", i ? " -o " : "", each.items[i]);
    const char *place = strstr(find_script, "%s");
    strvec_push(words, "/bin/sh");
    strvec_push(words, "-c");
    strvec_pushf(words, "%.*s%s%s", (int)(place - find_script), find_script, names.buf, place + 2);
}

void method_list_words(const struct method *r, const struct settings *settings,
                       const struct strvec *test, struct strvec *words)
{
    if (settings->own.list.len) {
        strvec_append(words, &settings->own.list);
        return;
    }
    if (r->by_files) {
        push_find(r->preset->files, words);
        return;
    }
    strvec_append(words, test);
    for (size_t i = 0; i < PRESET_WORDS && r->preset->list[i]; i++)
        strvec_push(words, r->preset->list[i]);
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "./tests/test_a.py" -> "tests/test_a.py", or "tests.test_a"; in an order that is always the same.
 */
static char *names_of_files(const struct method *r, const char *text)
{
    _cleanup_strvec_ struct strvec lines = STRVEC_INIT;
    strvec_split(&lines, text, "\n");
    if (lines.len)
        qsort(lines.items, lines.len, sizeof(*lines.items), compare_lines);
    struct strbuf out = STRBUF_INIT;
    for (size_t i = 0; i < lines.len; i++) {
        char *name = lines.items[i] + (strncmp(lines.items[i], "./", 2) == 0 ? 2 : 0);
        char *end = r->preset->files_dotted ? strrchr(name, '.') : NULL;
        if (end)
            *end = '\0';
        for (char *p = name; end && *p; p++)
            *p = *p == '/' ? '.' : *p;
        strbuf_addf(&out, "%s\n", name);
    }
    return strbuf_detach(&out);
}

int method_read_list(const struct method *r, struct test_list *list, char *text, size_t len,
                     struct error *err)
{
    if (!r->by_files)
        return test_list_read(list, r->format, r->naming, text, len, err);
    _cleanup_free_ char *names = names_of_files(r, text);
    return test_list_read(list, r->format, r->naming, names, strlen(names), err);
}
